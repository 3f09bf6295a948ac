"""One file per subcommand of `lunar-bench`; heavy imports are inside the functions."""
