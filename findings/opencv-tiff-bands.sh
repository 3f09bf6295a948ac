#!/usr/bin/env bash
# OpenCV scrambles TIFFs whose bands lie one after the other, and cuts grey with alpha to 8 bits.
#
# Surprise: a TIFF of three or four bands of 16 bits or floats comes out right when the bands are
# interleaved by pixel, and wrong when they are stored band by band (PlanarConfiguration 2, GDAL's
# INTERLEAVE=BAND). 16-bit grey with an alpha band comes out as 8 bits, without alpha. Shape and
# type look right in the first case; nothing is raised in either.
#
# Hurt: whoever reads point clouds of Ames Stereo Pipeline or orthoimages of GDAL through OpenCV.
#
# Advice: read such files with rasterio or tifffile, or look at PlanarConfiguration and
# BitsPerSample.
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
random = np.random.default_rng(0)
points = random.uniform(10, 200, (3, 16, 20)).astype(np.float32)
wrong = {}
for planar, values in (("contig", np.moveaxis(points, 0, -1)), ("separate", points)):
    tifffile.imwrite("points.tif", values, photometric="rgb", planarconfig=planar)
    read = cv2.imread("points.tif", cv2.IMREAD_UNCHANGED)[..., ::-1]
    wrong[planar] = np.mean(read != np.moveaxis(points, 0, -1))
    print(f"3 float bands, {planar}: {read.dtype} {read.shape}, {wrong[planar]:.0%} of values wrong")
grey = np.dstack([np.arange(0, 64000, 200), np.full(320, 65535)]).astype(np.uint16)
tifffile.imwrite("grey.tif", grey, photometric="minisblack", extrasamples=["unassalpha"])
read = cv2.imread("grey.tif", cv2.IMREAD_UNCHANGED)
levels = len(np.unique(read))
print(f"grey and alpha, uint16, 320 grey levels: {read.dtype} {read.shape}, {levels} levels")
stated = wrong["contig"] == 0 and wrong["separate"] > 0.5 and read.dtype == np.uint8
sys.exit(0 if stated else "changed: OpenCV no longer does what the comment says")
PYTHON_CODE
