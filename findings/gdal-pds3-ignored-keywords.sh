#!/usr/bin/env bash
# GDAL's PDS3 driver passes over LINE_SUFFIX_BYTES and POSITIVE_LONGITUDE_DIRECTION.
#
# Surprise: raw images often carry engineering bytes after each line. GDAL skips
# LINE_PREFIX_BYTES, but takes the suffix for pixels, so that every line is shifted against the
# one before: the image is sheared. A map whose longitudes count to the west gets its centre, 90
# west, at 90 east: the other side of the body. Neither is refused or warned of.
#
# Hurt: raw camera products; older maps, and maps of bodies with west-positive longitudes.
#
# Advice: look for both keywords in the label; compare RECORD_BYTES with LINE_SAMPLES.
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

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
LABEL = """PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = {record}
FILE_RECORDS = 3
^IMAGE = "image.img"
TARGET_NAME = MOON
OBJECT = IMAGE
LINES = 3
LINE_SAMPLES = 4
SAMPLE_TYPE = UNSIGNED_INTEGER
SAMPLE_BITS = 8
LINE_SUFFIX_BYTES = {suffix}
END_OBJECT = IMAGE
OBJECT = IMAGE_MAP_PROJECTION
MAP_PROJECTION_TYPE = "SIMPLE CYLINDRICAL"
A_AXIS_RADIUS = 1737.4 <KM>
B_AXIS_RADIUS = 1737.4 <KM>
C_AXIS_RADIUS = 1737.4 <KM>
POSITIVE_LONGITUDE_DIRECTION = {direction}
CENTER_LATITUDE = 0 <DEG>
CENTER_LONGITUDE = 90 <DEG>
LINE_PROJECTION_OFFSET = 1.0
SAMPLE_PROJECTION_OFFSET = 1.5
MAP_SCALE = 1000 <M/PIXEL>
MAP_RESOLUTION = 30.323 <PIX/DEG>
END_OBJECT = IMAGE_MAP_PROJECTION
END
"""
image = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)


def read(suffix, direction):
    np.pad(image, ((0, 0), (0, suffix)), constant_values=255).tofile("image.img")
    label = LABEL.format(record=4 + suffix, suffix=suffix, direction=direction)
    open("image.lbl", "w").write(label.replace("\n", "\r\n"))
    with rasterio.open("image.lbl") as file:
        return file.read(1), file.crs.to_dict()["lon_0"]


plain, east = read(0, "EAST")
sheared, _ = read(3, "EAST")
_, west = read(0, "WEST")
print("without suffix:", plain.tolist())
print("with 3 bytes (255) after each line:", sheared.tolist())
print("CENTER_LONGITUDE = 90, EAST: lon_0 =", east, " WEST: lon_0 =", west)
stated = np.array_equal(plain, image) and (sheared == 255).any() and east == west == 90
sys.exit(0 if stated else "changed: GDAL no longer does what the comment says")
PYTHON_CODE
