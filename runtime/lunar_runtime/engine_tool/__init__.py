"""Building and checking engines on the target."""
