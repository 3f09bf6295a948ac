"""Where a vehicle may stand, how sure that is, and where on the ground."""
