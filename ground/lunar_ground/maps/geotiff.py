"""Cloud Optimized GeoTIFFs, and what is read of one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import rasterio
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.printable import printable
from lunar_runtime.files.tiff.directory import read_directories
from lunar_runtime.files.tiff.encode import ASCII, ascii_text, gdal_metadata
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from lunar_ground.maps.cells import Cells
from lunar_ground.maps.cog import Value, cloud_optimized
from lunar_ground.maps.layers import Layer
from lunar_ground.maps.overviews import halved, levels
from lunar_ground.maps.projection import LOCAL_WKT, Projection

_PIXEL_SCALE, _TIE_POINT, _GDAL_METADATA = 33550, 33922, 42112
_KEYS = (34735, 34736, 34737)  # of a GeoTIFF: their directory, their numbers, their texts
_DOUBLE = 12
_ANYWHERE = Affine.scale(2)  # rasters without a place, or with the identity, warn


class Place(NamedTuple):
    """A coordinate system: as WKT2, and as the keys of a GeoTIFF."""

    wkt: str
    keys: dict[int, Value]

    @classmethod
    @cache
    def of(cls, projection: Projection | None) -> Place:
        """That of maps; without a projection, of their own frame. GDAL makes the keys."""
        wkt = LOCAL_WKT if projection is None else projection.wkt
        with MemoryFile(ext=".tif") as memory:
            size: dict[str, Any] = {"height": 1, "width": 1, "count": 1, "dtype": "uint8"}
            memory.open(driver="GTiff", **size, crs=wkt, transform=_ANYWHERE).close()
            (directory,) = read_directories(bytes(memory.read()))
        entries = {tag: directory.entries.get(tag) for tag in _KEYS}
        return cls(
            wkt,
            {
                tag: Value(entry.kind, directory.content(entry))
                for tag, entry in entries.items()
                if entry is not None
            },
        )


def write_geotiff(
    path: Path, layer: Layer, cells: Cells, place: Place, tags: Mapping[str, str]
) -> None:
    """Write a map, and its coordinate system as WKT2 in a `.wkt` beside it.

    GeoTIFF's own keys drop the authority (IAU_2015) and call a local system by its name only.
    Other threads run while it is compressed.
    """
    versions = [layer.values]
    for _ in range(levels(max(layer.values.shape))):
        versions.append(halved(versions[-1], nodata=layer.nodata, classes=layer.classes))
    side = cells.cell_m
    told = gdal_metadata(
        {**tags, **layer.tags, "PRODUCT": layer.name}, layer.description, layer.unit
    )
    values = {
        **place.keys,
        _PIXEL_SCALE: Value.of(_DOUBLE, side, side, 0),
        _TIE_POINT: Value.of(_DOUBLE, 0, 0, 0, cells.west_m, cells.north_m, 0),
        _GDAL_METADATA: Value(ASCII, ascii_text(told)),
    }
    path.write_bytes(cloud_optimized(versions, layer.nodata, values))
    path.with_suffix(".wkt").write_text(place.wkt + "\n", encoding="ascii")


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
