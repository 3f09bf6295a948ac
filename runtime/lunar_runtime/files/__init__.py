"""What is on disk: images, rasters, point clouds, lists of pairs, and atomic writing."""
