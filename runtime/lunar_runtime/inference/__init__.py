"""Pair to maps to geometry to result."""
