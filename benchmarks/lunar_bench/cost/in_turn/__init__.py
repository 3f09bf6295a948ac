"""`lunar-bench run`: bundles and baselines in one process, in turn, round by round."""
