#!/usr/bin/env bash
# OpenCV's remap turns NaN coordinates into real pixels, depending on the interpolation.
#
# Surprise: a coordinate that is NaN (a hole in a disparity or flow field) gives a pixel of the
# image with INTER_NEAREST and INTER_CUBIC and BORDER_REPLICATE, REFLECT_101 or WRAP; INTER_LINEAR
# gives NaN for the same call. In OpenCV 4.13 INTER_LINEAR gives a pixel as well. Nothing tells
# the hole from a match.
#
# Hurt: warping by dense fields with holes; checks that expect NaN in, NaN out.
#
# Advice: mask by isfinite, or send holes to a coordinate far outside and use BORDER_CONSTANT.
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

print("OpenCV", cv2.__version__)
image = np.arange(100, 164, dtype=np.float32).reshape(8, 8)
x = np.array([[3, np.nan]], np.float32)
y = np.array([[3, 3]], np.float32)
given = {}
for border in ("BORDER_CONSTANT", "BORDER_REPLICATE"):
    for how in ("INTER_NEAREST", "INTER_LINEAR", "INTER_CUBIC"):
        mode = getattr(cv2, border)
        value = cv2.remap(image, x, y, getattr(cv2, how), borderMode=mode, borderValue=-1)[0, 1]
        given[border, how] = value
        print(f"{border} {how}: the pixel at x = NaN is {value}")
stated = given["BORDER_REPLICATE", "INTER_CUBIC"] >= 100
stated &= given["BORDER_REPLICATE", "INTER_NEAREST"] >= 100
stated &= bool(np.isnan(given["BORDER_REPLICATE", "INTER_LINEAR"]))
stated &= all(value == -1 for (border, _), value in given.items() if border == "BORDER_CONSTANT")
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
