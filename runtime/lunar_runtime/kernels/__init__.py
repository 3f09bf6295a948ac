"""The compiled parts: loops in C that many small steps of NumPy would be too slow for."""
