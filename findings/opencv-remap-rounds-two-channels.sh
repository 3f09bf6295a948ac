#!/usr/bin/env bash
# OpenCV 5.0 rounds coordinates to 1/32 px where an image has two channels, and only there.
#
# Surprise: cv2.remap with INTER_LINEAR interpolates float32 images of one, three and four channels at
# the very coordinates that it is given. An image of two channels, which is how a flow or a map of
# coordinates is stored, it samples at the nearest 1/32 of a pixel, as all of OpenCV 4 does.
#
# Hurt: whoever looks up matches or composes flows that way: a shift below 1/64 px is lost whole. A camera
# pose fitted to such matches fits them exactly, and seems known ten times better than it is.
#
# Advice: remap the two channels one by one, and in OpenCV 4 add the gradient times what was rounded.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import cv2
import numpy as np

rows, columns = np.mgrid[0:64, 0:64].astype(np.float32)
shift = np.float32(0.01)
print("OpenCV", cv2.__version__, "NumPy", np.__version__, "shift", shift, "px")
found = {}
for channels in (1, 2, 3, 4):
    plane = columns if channels == 1 else cv2.merge([columns] * channels)
    moved = cv2.remap(plane, columns + shift, rows, cv2.INTER_LINEAR)
    moved = (moved if channels == 1 else moved[..., 0])[8:-8, 8:-8] - columns[8:-8, 8:-8]
    found[channels] = float(moved.mean())
    print(channels, "channels: moved by", round(found[channels], 6))
exact = all(abs(found[n] - shift) < 1e-5 for n in (1, 3, 4))
sys.exit(0 if exact and found[2] == 0 else "changed: two channels are treated like the others")
PYTHON_CODE
