"""Calibration sets: the imagery that INT8 ranges are measured on."""
