"""One map of the ground from many pairs, and where a vehicle may stand on it."""
