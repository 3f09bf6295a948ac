"""TIFF images: directories, which image is meant, its numbers, and what they mean."""
