"""What is on disk: images, rasters, point clouds, lists of pairs; digests and atomic writing."""
