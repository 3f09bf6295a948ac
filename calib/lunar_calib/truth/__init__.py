"""How accurate a pointmap is, where the truth is known."""
