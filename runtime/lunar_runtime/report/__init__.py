"""A result in words, files and pictures."""
