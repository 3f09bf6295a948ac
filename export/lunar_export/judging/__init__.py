"""Whether a graph is its network, what a lower precision costs in slope, and what may ship."""
