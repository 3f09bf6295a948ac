#!/usr/bin/env bash
# gdaldem's slope of an equirectangular map is wrong away from the equator, and ignores a band's
# scale.
#
# Surprise: simple cylindrical (equirectangular) is the usual projection of lunar elevation
# models. At 60 degrees north a metre of such a map is half a metre on the ground from east to
# west: a slope of 15 degrees is given as 7.6. For integers with a scale of 0.5, as LOLA's, the
# raw counts are taken for metres: 15 becomes 28. Neither is warned of.
#
# Hurt: slope and hazard maps of landing sites.
#
# Advice: project to a local system first, or divide the gradients by the map scale; apply scale
# and offset before the slope is taken.
set -euo pipefail
"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 12), (3, 13)))' || {
  echo "not tried: gdal-wheel 3.13.3 is built for Python 3.12 and 3.13; name one of them in PYTHON"
  exit 0
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet gdal-wheel==3.13.3 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import numpy as np
from osgeo import gdal, osr

gdal.UseExceptions()
print("GDAL", gdal.__version__)
MOON_RADIUS_M = 1737400
SIZE, PIXEL_M = 41, 100


def slope(true_deg, latitude_deg, kind=gdal.GDT_Float32, scale=1.0):
    ground_m = np.arange(SIZE) * PIXEL_M * np.cos(np.radians(latitude_deg))
    rows = np.tile(np.tan(np.radians(true_deg)) * ground_m / scale, (SIZE, 1))
    file = gdal.GetDriverByName("GTiff").Create("dem.tif", SIZE, SIZE, 1, kind)
    top = np.radians(latitude_deg) * MOON_RADIUS_M + SIZE * PIXEL_M / 2
    file.SetGeoTransform((0, PIXEL_M, 0, top, 0, -PIXEL_M))
    system = osr.SpatialReference()
    system.SetFromUserInput("IAU_2015:30110")
    file.SetProjection(system.ExportToWkt())
    file.GetRasterBand(1).WriteArray(np.rint(rows) if kind == gdal.GDT_Int16 else rows)
    file.GetRasterBand(1).SetScale(scale)
    file.Close()
    return gdal.DEMProcessing("", "dem.tif", "slope", format="MEM").ReadAsArray()[20, 20]


found = slope(15, 0), slope(15, 60), slope(15, 0, gdal.GDT_Int16, 0.5)
print(f"true slope 15 degrees, at the equator: {found[0]:.1f}")
print(f"true slope 15 degrees, at 60 degrees north: {found[1]:.1f}")
print(f"true slope 15 degrees, at the equator, int16 with scale 0.5: {found[2]:.1f}")
stated = np.allclose(found, [15, 7.6, 28.1], atol=0.2)
sys.exit(0 if stated else "changed: GDAL no longer does what the comment says")
PYTHON_CODE
