"""Flipped bits: how often they harm, and how often the guards see it."""
