"""Recordings of ROS 2: MCAP files and bags, read for the runtime and written from its results."""
