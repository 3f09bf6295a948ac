"""The command line: `lunar-export`."""
