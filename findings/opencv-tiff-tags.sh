#!/usr/bin/env bash
# OpenCV turns a TIFF by its Orientation tag even when told not to, and inverts WhiteIsZero only
# at 8 bits.
#
# Surprise: IMREAD_UNCHANGED and IMREAD_IGNORE_ORIENTATION leave a JPEG as its sensor saw it. A
# TIFF with the same tag is turned all the same. A TIFF whose PhotometricInterpretation is
# WhiteIsZero is inverted at 8 bits and left as stored at 16, so that two depths of one scan are
# each other's negative.
#
# Hurt: calibrated cameras, whose intrinsics belong to the pixels as they were taken; scanned
# film.
#
# Advice: read both tags yourself, turn back or invert, or refuse the file.
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
flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
image = np.arange(6, dtype=np.uint16).reshape(2, 3)
tifffile.imwrite("turned.tif", image, extratags=[(274, "H", 1, 3, True)])
turned = cv2.imread("turned.tif", flags)
print("stored", image.tolist(), "with Orientation 3, read with IGNORE_ORIENTATION", turned.tolist())
negative = {}
for dtype in (np.uint8, np.uint16):
    tifffile.imwrite("white.tif", np.array([[0, 10, 20]], dtype), photometric="miniswhite")
    read = cv2.imread("white.tif", flags)
    negative[dtype] = read[0, 0] != 0
    print("WhiteIsZero stored [0 10 20] as", np.dtype(dtype).name, "read", read[0])
stated = np.array_equal(turned, image[::-1, ::-1])
stated &= bool(negative[np.uint8]) and not negative[np.uint16]
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
