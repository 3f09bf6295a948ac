#!/usr/bin/env bash
# A Cloud Optimized GeoTIFF of classes, read small, has classes that nobody wrote.
#
# Surprise: GDAL's COG driver makes overviews by cubic convolution unless told otherwise. A map of
# the classes 0, 100 and 200 shows fifty other values when it is read at a quarter of its size,
# also when the reader asks for nearest. Slopes of 0 to 60 degrees become -1.6 to 61.5. At full
# size, and in a plain GeoTIFF, all is right.
#
# Hurt: hazard and validity maps in viewers, tile servers and quick statistics.
#
# Advice: overview_resampling="nearest" or "mode" for classes, "average" for heights and depths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet rasterio==1.4.4 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON_CODE'
import sys

import numpy as np
import rasterio
from rasterio.enums import Resampling

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
random = np.random.default_rng(0)
size = 2048
classes = random.choice(np.array([0, 100, 200], np.uint8), (size // 16, size // 16))
slopes = random.uniform(0, 60, classes.shape).astype(np.float32)


def read_small(values, **options):
    values = values.repeat(16, axis=0).repeat(16, axis=1)
    with rasterio.open(
        "map.tif", "w", driver="COG", width=size, height=size, count=1, dtype=values.dtype, **options
    ) as file:
        file.write(values, 1)
    with rasterio.open("map.tif") as file:
        return file.read(1, out_shape=(size // 4, size // 4), resampling=Resampling.nearest)


cubic, nearest = read_small(classes), read_small(classes, overview_resampling="nearest")
small = read_small(slopes)
print("classes 0, 100, 200 read at a quarter of the size:", len(np.unique(cubic)), "values")
print("  with overview_resampling='nearest':", np.unique(nearest))
print(f"slopes of 0 to 60 read at a quarter of the size: {small.min():.1f} to {small.max():.1f}")
stated = len(np.unique(cubic)) > 20 and len(np.unique(nearest)) == 3 and small.min() < -0.5
sys.exit(0 if stated else "changed: GDAL no longer does what the comment says")
PYTHON_CODE
