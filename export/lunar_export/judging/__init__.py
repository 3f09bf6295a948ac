"""What a lowered graph costs in slope, and whether it may ship."""
