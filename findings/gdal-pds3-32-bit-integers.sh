#!/usr/bin/env bash
# GDAL's PDS3 driver takes 32-bit integers for floating-point numbers.
#
# Surprise: an image with SAMPLE_BITS = 32 and SAMPLE_TYPE = MSB_INTEGER (or SUN_, LSB_, PC_INTEGER,
# and the unsigned ones) opens as Float32. The bits of each integer are read as those of a float:
# 1 becomes 1.4e-45, 1000000 becomes 1.4e-39. Nothing is refused or warned of.
#
# Hurt: elevation models and counts in 32-bit integers; a stretch hides the mistake, because the
# order of positive values is kept and their distances are not.
#
# Advice: compare the type that the driver gives with SAMPLE_TYPE.
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
RECORD_BYTES = 16
FILE_RECORDS = 1
^IMAGE = "image.img"
OBJECT = IMAGE
LINES = 1
LINE_SAMPLES = 4
SAMPLE_TYPE = {name}
SAMPLE_BITS = 32
END_OBJECT = IMAGE
END
"""
values = np.array([[1, 1000, 1000000, 2000000]])
stated = True
for name, kind in (
    ("MSB_INTEGER", ">i4"),
    ("LSB_INTEGER", "<i4"),
    ("MSB_UNSIGNED_INTEGER", ">u4"),
    ("LSB_UNSIGNED_INTEGER", "<u4"),
):
    values.astype(kind).tofile("image.img")
    open("image.lbl", "w").write(LABEL.format(name=name).replace("\n", "\r\n"))
    with rasterio.open("image.lbl") as file:
        read = file.read(1)
    print(f"{name}: stored {values[0].tolist()}, read as {read.dtype}: {read[0].tolist()}")
    as_float = values.astype(kind).view(kind.replace("i", "f").replace("u", "f"))
    stated = stated and read.dtype == np.float32 and np.array_equal(read, as_float)
sys.exit(0 if stated else "changed: GDAL no longer does what the comment says")
PYTHON_CODE
