#!/usr/bin/env bash
# OpenCV multiplies the colours of an 8-bit TIFF by its alpha.
#
# Surprise: a pixel of 100, 100, 100 with an alpha of 128 is read as 50, 50, 50, and one with an
# alpha of 0 as black, with IMREAD_UNCHANGED. The same pixels in a PNG, or in a TIFF of 16 bits,
# come back as stored.
#
# Hurt: orthoimages, whose alpha marks seams and edges: the ground darkens there, and stereo
# matching and radiometry follow the mask.
#
# Advice: read TIFFs that have an alpha band (ExtraSamples 2) with tifffile or rasterio.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6 tifffile==2026.3.3
venv/bin/python - <<'PYTHON_CODE'
import sys

import cv2
import numpy as np
import tifffile

print("OpenCV", cv2.__version__, "tifffile", tifffile.__version__)
image = np.full((1, 3, 4), 100, np.uint8)
image[..., 3] = [255, 128, 0]
cv2.imwrite("image.png", image)
tifffile.imwrite("image.tif", image, photometric="rgb", extrasamples=["unassalpha"])
wide = image.astype(np.uint16) * 257
tifffile.imwrite("wide.tif", wide, photometric="rgb", extrasamples=["unassalpha"])
print("stored: colours 100 with alpha", image[0, :, 3])
read = {}
for name, unit in (("image.png", 1), ("image.tif", 1), ("wide.tif", 257)):
    read[name] = (cv2.imread(name, cv2.IMREAD_UNCHANGED)[0, :, 0] // unit).tolist()
    print(f"{name}: colours read {read[name]}")
stated = read["image.tif"] == [100, 50, 0]
stated &= read["image.png"] == read["wide.tif"] == [100, 100, 100]
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
