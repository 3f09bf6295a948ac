"""`lunar-calib`: one module a command."""
