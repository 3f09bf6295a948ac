"""The check that fits a borrowed GPU."""
