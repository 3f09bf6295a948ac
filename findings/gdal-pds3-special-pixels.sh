#!/usr/bin/env bash
# GDAL masks five special pixel values in an ISIS cube and one in the same image with a PDS3
# label.
#
# Surprise: 16-bit planetary images mark null, low and high saturation by -32768 to -32764. GDAL's
# ISIS3 driver masks all five. Its PDS3 driver masks -32768 only, also where the label lists the
# other four; they stay as the darkest pixels of the image.
#
# Hurt: stretches, matching and means of products that were converted from one form to the other.
#
# Advice: mask by data type and by the label's keywords, not by what the driver names as nodata.
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
values = np.array([[-32768, -32767, -32766, -32765, -32764, 0, 100, 200]], "<i2")
open("image.cub", "wb").write(
    b"""Object = IsisCube
Object = Core
StartByte = 4097
Format = BandSequential
Group = Dimensions
Samples = 8
Lines = 1
Bands = 1
End_Group
Group = Pixels
Type = SignedWord
ByteOrder = Lsb
Base = 0.0
Multiplier = 1.0
End_Group
End_Object
End_Object
End
""".ljust(4096, b"\0")
    + values.tobytes()
)
values.tofile("image.img")
LABEL = """PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = 16
FILE_RECORDS = 1
^IMAGE = "image.img"
OBJECT = IMAGE
LINES = 1
LINE_SAMPLES = 8
SAMPLE_TYPE = LSB_INTEGER
SAMPLE_BITS = 16
CORE_NULL = -32768
CORE_LOW_REPR_SATURATION = -32767
CORE_LOW_INSTR_SATURATION = -32766
CORE_HIGH_INSTR_SATURATION = -32765
CORE_HIGH_REPR_SATURATION = -32764
END_OBJECT = IMAGE
END
"""
open("image.lbl", "w").write(LABEL.replace("\n", "\r\n"))
valid = {}
for name in ("image.cub", "image.lbl"):
    with rasterio.open(name) as file:
        valid[file.driver] = file.read(1)[file.dataset_mask() > 0].tolist()
        print(f"{file.driver}: nodata {file.nodata}, valid pixels {valid[file.driver]}")
stated = valid["ISIS3"] == [0, 100, 200] and valid["PDS"] == values[0, 1:].tolist()
sys.exit(0 if stated else "changed: GDAL no longer does what the comment says")
PYTHON_CODE
