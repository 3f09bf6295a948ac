"""Monitors of results: how often they trip on clean pairs, and on what they should see."""
