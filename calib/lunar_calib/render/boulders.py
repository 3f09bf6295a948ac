"""Boulders: sizes by a published law, partly buried, on a heightfield.

The law is Golombek and Rapp's (1997): rocks of diameter D and more cover k exp(-q D) of the ground,
q = 1.79 + 0.152 / k per metre (`lunar_runtime.landing.rocks`). A boulder is the part of a sphere
above the ground, wobbled: it meets the ground at 40 to 75 degrees, so its height is 0.18 to 0.38 of
its diameter. A heightfield has no overhangs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from lunar_runtime.landing.rocks import rocks_between
from numpy.typing import NDArray

from lunar_calib.render.craters import add_periodic
from lunar_calib.specs.pair_spec import TerrainSpec

_LEAST_CELLS = 3.0  # of a diameter: smaller ones would be steps of the grid
_RIM_DEG = (40.0, 75.0)
_STEPS = 400
_MOST = 60_000


class Boulder(NamedTuple):
    """One on a periodic heightfield.

    Attributes:
        row: Of its middle, a node; rows go north.
        column: Of its middle; columns go east.
        diameter_m: Of its outline on the ground, in the mean over all directions.
        height_m: Of its top above the ground below.
        buried_share: Of its sphere's height, the part below the ground.
        rise_m: (S, S) float32 metres that it adds to the nodes, its middle in the middle.
        covers: (S, S) bool, the nodes inside its outline.
    """

    row: int
    column: int
    diameter_m: float
    height_m: float
    buried_share: float
    rise_m: NDArray[np.float32]
    covers: NDArray[np.bool_]


def add_boulders(
    height_m: NDArray[np.float32], spec: TerrainSpec, rng: np.random.Generator
) -> None:
    """Set a spec's boulders on a periodic heightfield, in place.

    Args:
        height_m: (N, N) float32, changed.
        spec: Their abundance and largest diameter; the smallest is three cells.
        rng: As `draw_boulders`.
    """
    for boulder in draw_boulders(spec, rng):
        add_periodic(height_m, boulder.rise_m, boulder.row, boulder.column)


def boulders_of(spec: TerrainSpec) -> Iterator[Boulder]:
    """A terrain's, one after the other."""
    return draw_boulders(spec, np.random.default_rng([spec.seed, 4]))


def draw_boulders(spec: TerrainSpec, rng: np.random.Generator) -> Iterator[Boulder]:
    """Draw a spec's boulders, one after the other.

    Args:
        spec: Their abundance and largest diameter; the smallest is three cells.
        rng: Source of positions, sizes and shapes.
    """
    smallest = _LEAST_CELLS * spec.cell_m
    if spec.boulder_abundance <= 0 or spec.boulder_max_m <= smallest:
        return
    diameters = np.linspace(smallest, spec.boulder_max_m, _STEPS)
    per_area = rocks_between(spec.boulder_abundance, diameters)
    area = (spec.cells * spec.cell_m) ** 2
    count = min(int(rng.poisson(per_area[-1] * area)), _MOST)
    sizes = np.interp(rng.uniform(0, per_area[-1], count), per_area, diameters)
    centres = rng.integers(0, spec.cells, (count, 2))
    for size, (row, column) in zip(sizes.tolist(), centres.tolist(), strict=True):
        rim = math.radians(rng.uniform(*_RIM_DEG))
        rise, covers = _boulder(size / 2 / spec.cell_m, rim, rng)
        # A sphere of radius r / sin(rim) stands out by its cap, r tan(rim / 2).
        share = (1 + math.cos(rim)) / 2
        height = size / 2 * math.tan(rim / 2)
        yield Boulder(row, column, size, height, share, rise * np.float32(spec.cell_m), covers)


def _boulder(
    radius: float, rim: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Heights of one, in cells, on a square patch with its centre in the middle; its outline."""
    sphere = radius / math.sin(rim)
    half = math.ceil(radius * 1.3)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    angle = np.arctan2(y, x)
    outline = 1 + sum(
        rng.normal(0, 0.08 / order) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
        for order in (2, 3, 4)
    )
    rho = np.hypot(x, y) / outline
    inside = np.maximum(sphere**2 - np.minimum(rho, radius) ** 2, 0)
    rise = np.asarray(np.sqrt(inside) - sphere * math.cos(rim), np.float32)
    return rise, rho < radius
