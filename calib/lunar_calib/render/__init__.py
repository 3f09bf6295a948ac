"""Lunar terrain, light and cameras: stereo pairs with exact truth."""
