"""Running things in turn, and what can be said of their times."""
