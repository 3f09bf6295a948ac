"""Cloud Optimized GeoTIFFs, and what is read of one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.printable import printable
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import Affine

from lunar_ground.maps.cells import Cells
from lunar_ground.maps.layers import Layer
from lunar_ground.maps.overviews import BLOCK, halved, levels
from lunar_ground.maps.projection import LOCAL_WKT, Projection
from lunar_ground.maps.virtual_dataset import virtual_dataset

# Rasters without a place warn, and so does the identity; that of the virtual dataset counts.
_ANYWHERE = Affine.scale(2)


def write_geotiff(path: Path, layer: Layer, cells: Cells, tags: Mapping[str, str]) -> None:
    """Write a map, and its coordinate system as WKT2 in a `.wkt` beside it.

    GeoTIFF's own keys drop the authority (IAU_2015) and call a local system by its name only.
    Other threads run while GDAL works.
    """
    wkt = LOCAL_WKT if cells.projection is None else cells.projection.wkt
    path.write_bytes(_encoded(layer, cells, {**tags, "PRODUCT": layer.name}, wkt))
    path.with_suffix(".wkt").write_text(wkt + "\n", encoding="ascii")


def _encoded(layer: Layer, cells: Cells, tags: Mapping[str, str], wkt: str) -> bytes:
    """The file's content.

    GDAL's driver copies a virtual dataset whose overviews are there. To have it make them takes
    half as long again, and rasterio's own writer for it lets no other thread run meanwhile.
    """
    real = np.issubdtype(layer.values.dtype, np.floating)
    versions = [layer.values]
    for _ in range(levels(max(layer.values.shape))):
        versions.append(halved(versions[-1], nodata=layer.nodata, classes=layer.classes))
    # In memory: of a full disk rasterio tells by a private exception, Python by its own.
    with ExitStack() as stack:
        names = []
        for values in versions:
            memory = stack.enter_context(MemoryFile(ext=".tif"))
            _store(memory, values)
            names.append(memory.name)
        result = stack.enter_context(MemoryFile(ext=".tif"))
        copy(
            virtual_dataset(layer, cells, tags, wkt, names),
            result.name,
            driver="COG",
            compress="DEFLATE",
            predictor="FLOATING_POINT" if real else "STANDARD",
            level=1,  # a fiftieth larger, in 0.85 of the time of all maps
            blocksize=BLOCK,
        )
        return bytes(result.read())


def _store(memory: MemoryFile, values: NDArray[Any]) -> None:
    rows, columns = values.shape
    size: dict[str, Any] = {"height": rows, "width": columns, "count": 1}
    dtype = values.dtype.name
    with memory.open(driver="GTiff", **size, dtype=dtype, transform=_ANYWHERE) as file:
        file.write(values, 1)


def read_projection(path: Path) -> tuple[Projection, float]:
    """Projection and cell of a map, by its parameters: no two CRS objects are compared.

    A polar lunar CRS does not equal itself after it was in a GeoTIFF.

    Raises:
        InputError: The file cannot be read.
        UsageError: It is no map in one of the projections that are written here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            file = rasterio.open(path)
        with file:
            told = {} if file.crs is None else file.crs.to_dict()
            step, corner = file.transform, (file.transform.c, file.transform.f)
    except RasterioError as error:
        raise InputError(f"{printable(path)}: not a raster that can be read") from error
    projection = _projection(told)
    cell = step.a
    square = cell > 0 and step.e == -cell and step.b == step.d == 0
    on_raster = square and all(
        abs(edge / cell - round(edge / cell)) < 1e-6 * max(1, abs(edge / cell)) for edge in corner
    )
    if projection is None or not on_raster:
        raise UsageError(
            f"`like` {printable(path)}: not a map that lunar-map wrote with a lunar projection, "
            "north up, cells at multiples of their size"
        )
    return projection, cell


def _projection(told: Mapping[str, object]) -> Projection | None:
    def number(name: str, default: float = 0.0) -> float:
        value = told.get(name, default)
        return float(value) if isinstance(value, (int, float)) else math.nan

    radius = number("R", number("a"))
    latitude, longitude = number("lat_0"), number("lon_0")
    plain = radius == MOON_RADIUS_M and number("x_0") == number("y_0") == 0
    if not plain or number("k", number("k_0", 1)) != 1:
        return None
    if told.get("proj") == "ortho":
        return Projection("orthographic", latitude, longitude)
    at_pole = number("lat_ts", latitude) == latitude and longitude == 0
    if told.get("proj") == "stere" and abs(latitude) == 90 and at_pole:
        return Projection("north" if latitude > 0 else "south", latitude, 0.0)
    return None
