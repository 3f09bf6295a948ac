"""Records as tables, plots, pages and comparisons."""
