"""Damaged situations whose truth is known: is a confident answer ever a wrong one?"""
