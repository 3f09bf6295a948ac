#!/usr/bin/env bash
# The Moon's polar map systems are not equal to themselves after a GeoTIFF, nor to a PDS label's.
#
# Surprise: write IAU_2015:30135 (south polar stereographic) into a GeoTIFF and read it back:
# rasterio says that the two differ, and the authority is gone. The parameters are the same.
# Merging such a file with a PDS3 product of the same projection fails with "CRS mismatch", since
# names and the label's nameless unit differ.
#
# Hurt: mosaics and comparisons of south-pole elevation models, that is, of the landing sites.
#
# Advice: compare radius, lat_ts, lon_0 and offsets, not CRS objects or codes; keep WKT2 beside
# the file.
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
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.merge import merge
from rasterio.transform import from_origin

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
LABEL = """PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = 16
FILE_RECORDS = 4
^IMAGE = "pole.img"
TARGET_NAME = MOON
OBJECT = IMAGE
LINES = 4
LINE_SAMPLES = 4
SAMPLE_TYPE = PC_REAL
SAMPLE_BITS = 32
END_OBJECT = IMAGE
OBJECT = IMAGE_MAP_PROJECTION
MAP_PROJECTION_TYPE = "POLAR STEREOGRAPHIC"
A_AXIS_RADIUS = 1737.4 <KILOMETER>
B_AXIS_RADIUS = 1737.4 <KILOMETER>
C_AXIS_RADIUS = 1737.4 <KILOMETER>
POSITIVE_LONGITUDE_DIRECTION = EAST
CENTER_LATITUDE = -90 <DEGREE>
CENTER_LONGITUDE = 0 <DEGREE>
MAP_SCALE = 100 <METERS/PIXEL>
MAP_RESOLUTION = 303.23 <PIXEL/DEG>
LINE_PROJECTION_OFFSET = 1.5
SAMPLE_PROJECTION_OFFSET = 1.5
END_OBJECT = IMAGE_MAP_PROJECTION
END
"""
heights = np.ones((4, 4), "<f4")
open("pole.lbl", "w").write(LABEL.replace("\n", "\r\n"))
heights.tofile("pole.img")
asked = CRS.from_string("IAU_2015:30135")
with rasterio.open(
    "pole.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="float32",
    crs=asked, transform=from_origin(-200, 200, 100, 100),
) as file:
    file.write(heights, 1)
with rasterio.open("pole.tif") as geotiff, rasterio.open("pole.lbl") as pds:
    print("asked", asked.to_proj4())
    print("read ", geotiff.crs.to_proj4())
    print("PDS3 ", pds.crs.to_proj4())
    print("equal to what was asked:", geotiff.crs == asked, " authority:", geotiff.crs.to_authority())
    stated = geotiff.crs != asked
    try:
        merge([geotiff, pds])
        stated = False
    except RasterioError as error:
        print("merge with the PDS3 file:", str(error).split(" with")[0])
sys.exit(0 if stated else "changed: rasterio no longer does what the comment says")
PYTHON_CODE
