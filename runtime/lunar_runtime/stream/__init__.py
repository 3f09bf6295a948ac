"""Frames as they come, to pairs, to updates."""
