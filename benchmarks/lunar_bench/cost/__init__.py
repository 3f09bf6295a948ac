"""Latency, memory and arithmetic of what runs."""
