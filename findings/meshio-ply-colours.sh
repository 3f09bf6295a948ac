#!/usr/bin/env bash
# meshio reads the unsigned bytes of a binary PLY as signed ones.
#
# Surprise: the colour 149 comes back as -107 from a binary PLY whose properties are "uchar". The
# same points in an ASCII PLY come back right.
#
# Hurt: colours, confidences and classes of point clouds; everything above 127 is wrong.
#
# Advice: view the column as uint8 after reading, or read with plyfile or trimesh.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet meshio==5.3.5 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import meshio
import numpy as np

print("meshio", meshio.__version__)
header = """ply
format {} 1.0
element vertex 2
property float x
property float y
property float z
property uchar red
end_header
"""
row = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1")])
points = np.array([(0, 0, 0, 149), (1, 0, 0, 20)], row)
binary = header.format("binary_little_endian").encode() + points.tobytes()
open("binary.ply", "wb").write(binary)
open("ascii.ply", "w").write(header.format("ascii") + "0 0 0 149\n1 0 0 20\n")
read = {}
for name in ("ascii.ply", "binary.ply"):
    read[name] = meshio.read(name).point_data["red"]
    print(f"stored 149 and 20 as uchar, {name}: {read[name]} {read[name].dtype}")
stated = read["ascii.ply"][0] == 149 and read["binary.ply"][0] == -107
sys.exit(0 if stated else "changed: meshio no longer does what the comment says")
PYTHON_CODE
