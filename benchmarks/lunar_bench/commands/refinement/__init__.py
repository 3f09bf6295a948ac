"""One file per source of pairs of `lunar-bench refinement`."""
