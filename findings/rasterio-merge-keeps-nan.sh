#!/usr/bin/env bash
# rasterio.merge lets NaN holes of the first file cover good data of the second.
#
# Surprise: a float GeoTIFF that marks holes by NaN, but has no nodata tag, counts as valid
# everywhere. masked=True masks nothing, and merge keeps the NaN although the next file has a
# value there. With the tag (nodata = nan) both do what one expects.
#
# Hurt: mosaics of elevation or depth from any program that writes NaN without the tag.
#
# Advice: write nodata=numpy.nan into float rasters; set it before merging files of others.
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
from rasterio.merge import merge
from rasterio.transform import from_origin

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
hole = np.array([[1, np.nan, np.nan, 4]], np.float32)
whole = np.array([[10, 20, 30, 40]], np.float32)
merged = {}
for nodata in (None, np.nan):
    for name, values in (("hole.tif", hole), ("whole.tif", whole)):
        with rasterio.open(
            name, "w", driver="GTiff", width=4, height=1, count=1, dtype="float32",
            crs="IAU_2015:30100", transform=from_origin(0, 0, 1, 1), nodata=nodata,
        ) as file:
            file.write(values, 1)
    merged[str(nodata)] = merge(["hole.tif", "whole.tif"])[0][0, 0]
    print(f"nodata tag {nodata}: {hole[0]} over {whole[0]} gives {merged[str(nodata)]}")
stated = np.isnan(merged["None"]).sum() == 2 and merged["nan"].tolist() == [1, 20, 30, 4]
sys.exit(0 if stated else "changed: rasterio no longer does what the comment says")
PYTHON_CODE
