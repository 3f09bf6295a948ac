"""Arithmetic and bytes of a graph, times of its parts, and the machine's peaks."""
