"""What the maps of a result are: values on cells, with what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from lunar_runtime.landing.visible_surface import differences
from numpy.typing import NDArray

from lunar_ground.folders.grids import Grid, place
from lunar_ground.folders.result_folder import SideMaps
from lunar_ground.maps.cells import Cells

_AZIMUTH_DEG, _ELEVATION_DEG = 315.0, 45.0
NO_CLASS = 255

#: Every map that may be written.
NAMES = (
    "dem",
    "dem_sigma",
    "ortho",
    "slope",
    "hillshade",
    "hazard",
    "safe_probability",
)


@dataclass(frozen=True)
class Layer:
    """One map.

    Attributes:
        name: Of its file, without the suffix.
        values: (R, C) float32 with NaN, or uint8.
        nodata: What is no value.
        unit: Of the values; empty = none.
        description: For people.
        classes: Whether values are names and must not be averaged.
        tags: Of this map alone.
    """

    name: str
    values: NDArray[Any]
    nodata: float
    unit: str
    description: str
    classes: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def layers_of(
    cells: Cells,
    maps: SideMaps,
    image: tuple[NDArray[Any], Grid],
    vehicle: Mapping[str, str] | None = None,
) -> Iterator[Layer]:
    """All that a result has, those first that take longest to write.

    Args:
        cells: Of the map.
        maps: Of the left view.
        image: Of the left view, and where it lies.
        vehicle: Tags of what hazards and P(safe) are of.
    """
    vehicle = vehicle or {}
    above = (
        "the Moon's mean curvature through the frame's origin"
        if cells.projection is None
        else "the sphere of 1737.4 km"
    )
    yield _real("dem", cells.height, "m", f"height above {above}")
    if "depth_sigma" in maps.maps:
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = cells.seen(maps.maps["depth_sigma"] / maps.depth)
        sigma = np.where(np.isfinite(cells.height), np.abs(cells.lever) * relative, np.nan)
        yield _real("dem_sigma", sigma, "m", "expected error of the height, one standard deviation")
    yield _real("ortho", cells.seen(place(*image, maps.grid)), "", "left image, digital numbers")
    slope = cells.seen(maps.maps["slope"])
    yield _real("slope", slope, "deg", "slope of the refined surface against up, of the result")
    if "safe_probability" in maps.maps:
        # Of the nearest pixel: a place beside an unknown one keeps its value.
        probability = cells.seen(maps.maps["safe_probability"], cv2.INTER_NEAREST)
        words = "probability that the result's vehicle stands safely"
        yield replace(_real("safe_probability", probability, "", words), tags=vehicle)
    shade = hillshade(cells.height, _ground_m(cells))
    sun = f"azimuth {_AZIMUTH_DEG:g}, elevation {_ELEVATION_DEG:g} degrees"
    yield Layer("hillshade", shade, 0, "", f"shaded relief, light from {sun}; 1 to 255")
    if "hazard" in maps.maps:
        classes = cells.seen(maps.maps["hazard"], cv2.INTER_NEAREST)
        known = np.isfinite(classes) & np.isfinite(cells.height)
        named = np.where(known, classes, np.float32(NO_CLASS)).astype(np.uint8)
        words = "0 unknown, 1 safe, 2 hazardous to the result's vehicle"
        yield Layer("hazard", named, NO_CLASS, "", words, classes=True, tags=vehicle)


def hillshade(height: NDArray[Any], cell_m: float) -> NDArray[np.uint8]:
    """(R, C) 1 to 255; 0 = no height here or beside.

    Args:
        height: (R, C) metres, row 0 in the north.
        cell_m: Side of a cell on the ground.
    """
    east, south = differences(height.astype(np.float32, copy=False))
    for rise in (east, south):
        rise /= np.float32(cell_m)
    azimuth, elevation = np.radians([_AZIMUTH_DEG, _ELEVATION_DEG])
    across, along = (np.float32(np.cos(elevation) * part(azimuth)) for part in (np.sin, np.cos))
    lit = south * along
    lit += np.float32(np.sin(elevation))
    lit -= east * across
    east *= east
    south *= south
    east += south
    east += 1
    lit /= np.sqrt(east, out=east)
    np.clip(lit, 0, 1, out=lit)
    lit *= 254
    np.rint(lit, out=lit)
    lit += 1
    known = np.isfinite(lit) & np.isfinite(height)  # central differences pass over it
    return np.asarray(np.where(known, lit, np.float32(0)), np.uint8)


def _ground_m(cells: Cells) -> float:
    """Side of a cell on the ground, in the middle of the map."""
    if cells.projection is None:
        return cells.cell_m
    rows, columns = cells.height.shape
    x = cells.west_m + cells.cell_m * columns / 2
    y = cells.north_m - cells.cell_m * rows / 2
    return cells.cell_m / cells.projection.scale(x, y)


def _real(name: str, values: NDArray[Any], unit: str, description: str) -> Layer:
    return Layer(name, np.asarray(values, np.float32), float("nan"), unit, description)
