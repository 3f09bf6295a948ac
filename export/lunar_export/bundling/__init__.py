"""Graph, records and golden pair become a bundle."""
