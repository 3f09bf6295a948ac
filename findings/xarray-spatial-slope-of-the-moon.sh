#!/usr/bin/env bash
# xarray-spatial's geodesic slope takes every body for the Earth.
#
# Surprise: slope(method="geodesic") works on the Earth's ellipsoid, also when the array says that
# it lies on the Moon. There is no parameter for the radius. A slope of 13 degrees on the Moon is
# given as 3.6, and one of 40 degrees as 13. The planar method on the same degrees gives 90.
#
# Hurt: hazard maps: ground of 40 degrees passes a limit of 15.
#
# Advice: project to metres first, and take the planar slope.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet xarray-spatial==0.5.3 xarray==2026.9.0 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON_CODE'
import sys
from importlib.metadata import version

import numpy as np
import xarray
from xrspatial import slope

print("xarray-spatial", version("xarray-spatial"))
MOON_RADIUS_M = 1737400
degrees = np.arange(50) * 0.001
east_m = np.radians(degrees) * MOON_RADIUS_M
found = {}
for true in (13, 40):
    heights = xarray.DataArray(
        np.tile(np.tan(np.radians(true)) * east_m, (50, 1)),
        dims=("lat", "lon"),
        coords={"lat": degrees[::-1], "lon": degrees},
        attrs={"crs": "IAU_2015:30100"},
    )
    found[true] = float(slope(heights, method="geodesic")[25, 25])
    planar = float(slope(heights, method="planar")[25, 25])
    print(f"true slope {true} degrees: geodesic {found[true]:.1f}, planar {planar:.1f}")
stated = abs(found[13] - 3.6) < 0.2 and abs(found[40] - 12.9) < 0.3
sys.exit(0 if stated else "changed: xarray-spatial no longer does what the comment says")
PYTHON_CODE
