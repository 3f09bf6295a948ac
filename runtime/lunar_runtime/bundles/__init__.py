"""The bundle: its manifest, its files, and how far outputs may be from what they must be."""
