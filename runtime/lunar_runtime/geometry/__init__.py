"""Cameras, grids, planes, slopes, poses and scale; no images and no network."""
