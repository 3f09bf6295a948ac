#!/usr/bin/env bash
# OpenCV's cubic enlargement of a tilted plane is not a plane.
#
# Surprise: INTER_CUBIC uses Keys' kernel with a = -0.75. It reproduces constants but no ramps. A
# plane enlarged four times has slopes between 0.77 and 1.33 of the true one, and reading a ramp
# at a quarter pixel is off by 0.047 pixel. Keys' own kernel, a = -0.5, and INTER_LINEAR are exact
# here.
#
# Hurt: slopes and normals from depth, height or disparity that was enlarged; sub-pixel reading by
# remap.
#
# Advice: never enlarge geometry with INTER_CUBIC before taking derivatives; use INTER_LINEAR or
# splines.
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
true = 0.3
plane = np.tile(100 + true * np.arange(64, dtype=np.float32), (64, 1))
slopes = {}
for name in ("INTER_LINEAR", "INTER_CUBIC"):
    large = cv2.resize(plane, None, fx=4, fy=4, interpolation=getattr(cv2, name))
    slopes[name] = np.diff(large[128, 40:-40].astype(float)) * 4 / true
    low, high = slopes[name].min(), slopes[name].max()
    print(f"{name} x4: slope {low:.2f} to {high:.2f} of the true one")
x = np.full((1, 1), 30.25, np.float32)
read = cv2.remap(plane, x, np.full((1, 1), 30, np.float32), cv2.INTER_CUBIC)[0, 0]
off = float((read - (100 + true * 30.25)) / true)
print(f"INTER_CUBIC read at 30.25 is the ramp's value at {30.25 + off:.3f}")
stated = slopes["INTER_CUBIC"].max() > 1.3 and slopes["INTER_CUBIC"].min() < 0.8
stated &= abs(slopes["INTER_LINEAR"] - 1).max() < 1e-3 and off > 0.04
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
