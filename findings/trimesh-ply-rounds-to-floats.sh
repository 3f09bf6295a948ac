#!/usr/bin/env bash
# trimesh keeps points in double precision and writes them to PLY in single precision.
#
# Surprise: a point on the Moon has body-fixed coordinates of 1.7 million metres. Single precision
# has steps of 12 cm there. Two points five centimetres apart are two points in memory and one
# point in the file. PLY has a type for double precision, and trimesh reads it.
#
# Hurt: point clouds in body-fixed or map coordinates.
#
# Advice: subtract a local origin before writing, and store it beside the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet trimesh==5.2.0 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import numpy as np
import trimesh

print("trimesh", trimesh.__version__)
points = np.array([[1737400.10, 0, 0], [1737400.15, 0, 0]])
cloud = trimesh.PointCloud(points)
cloud.export("points.ply")
header = open("points.ply", "rb").read().split(b"end_header")[0].decode()
read = trimesh.load("points.ply").vertices
print("in memory", cloud.vertices[:, 0], cloud.vertices.dtype)
print("in the file:", [line for line in header.splitlines() if line.endswith(" x")])
print("read again", read[:, 0])
stated = cloud.vertices[0, 0] != cloud.vertices[1, 0] and read[0, 0] == read[1, 0]
sys.exit(0 if stated else "changed: trimesh no longer does what the comment says")
PYTHON_CODE
