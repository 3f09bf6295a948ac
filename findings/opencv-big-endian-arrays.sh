#!/usr/bin/env bash
# OpenCV reads a big-endian NumPy array as if its bytes were native.
#
# Surprise: FITS, PDS and VICAR readers hand over arrays of type '>i2', '>u2' or '>f4', which
# NumPy treats like any other. OpenCV ignores the byte order: 1 becomes 256, and floats become
# noise. It raises nothing.
#
# Hurt: whoever passes pixels from pdr, astropy or numpy.fromfile on to OpenCV.
#
# Advice: call values.astype(values.dtype.newbyteorder("=")) before the first OpenCV function.
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

counts = np.array([[1, 2, 3], [4, 5, 6]], ">u2")
metres = np.array([[100.0, 150.0, 200.0]], ">f4")
print("OpenCV", cv2.__version__, "NumPy", np.__version__)
print("given", counts.ravel(), "mean", counts.mean())
read = cv2.resize(counts, (3, 2), interpolation=cv2.INTER_NEAREST)
print("copied by cv2.resize", read.ravel(), "mean by cv2.mean", cv2.mean(counts)[0])
blurred = cv2.blur(metres, (1, 1))
print("given", metres.ravel(), "copied by cv2.blur", blurred.ravel())
stated = read[0, 0] == 256 and cv2.mean(counts)[0] == 896 and not np.allclose(blurred, metres)
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
