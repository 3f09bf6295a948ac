"""Many pairs over worker processes: how much faster more of them are, and whether all pairs end."""
