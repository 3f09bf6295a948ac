"""Results of one pair brought together: one grid, and beside each other what was said on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import Plane
from numpy.typing import NDArray

from lunar_ground.page.comparison import Compared, Reference, compare, relief_row
from lunar_ground.page.content import Method, View
from lunar_ground.page.grids import Grid, place

_LENGTHS = ("depth_sigma",)


@dataclass(frozen=True)
class Given:
    """A method's word on a view, on its own grid.

    Attributes:
        name: As in `Method`, like `unit`, `maps`, `up`, `verdict`, `notes` and `sites`.
        points: (h, w, 3) in the view's camera frame.
        grid: Of all arrays.
        plane: The scene's; None = none was found.
    """

    name: str
    points: NDArray[Any]
    grid: Grid
    unit: str
    maps: dict[str, NDArray[Any]]
    plane: Plane | None = None
    up: NDArray[np.float64] | None = None
    verdict: str = ""
    notes: list[str] = field(default_factory=list)
    sites: list[dict[str, float]] = field(default_factory=list)


def page_grid(grids: Sequence[Grid], longest: int) -> Grid:
    """The part that shows most, as finely as the finest of `grids`, within `longest` pixels."""
    widest = max(grids, key=lambda grid: grid.crop[2] * grid.crop[3])
    finest = max(grid.shape[1] / grid.crop[2] for grid in grids)
    shape = tuple(max(1, round(finest * size)) for size in (widest.crop[3], widest.crop[2]))
    return Grid(widest.crop, (shape[0], shape[1])).within(longest)


def make_view(
    side: str,
    given: Sequence[Given],
    camera: Intrinsics,
    image: tuple[NDArray[Any], Grid] | None,
    truth: Reference | None = None,
    longest: int = 512,
) -> View:
    """One camera's view with everything that is said of it.

    Args:
        side: `left` or `right`.
        given: At least one.
        camera: Pixels of the image as given.
        image: Grey levels and where they lie.
        truth: Of this view.
        longest: Pixels of the page's grid along its longer side.
    """
    grid = page_grid([one.grid for one in given], longest)
    methods = [_method(one, grid, truth) for one in given]
    notes = _size_notes(given, grid)
    if truth is not None:
        methods.append(_true(truth, grid))
    x, y, width, height = grid.crop
    across, down = grid.shape[1] / width, grid.shape[0] / height
    return View(
        side=side,
        image=None if image is None else place(image[0], image[1], grid),
        camera=Intrinsics(
            camera.fx * across, camera.fy * down, (camera.cx - x) * across, (camera.cy - y) * down
        ),
        pixels=grid.crop,
        shape=grid.shape,
        methods=_with_unique_names(methods),
        notes=notes,
    )


def _method(given: Given, grid: Grid, truth: Reference | None) -> Method:
    own = Method(
        name=given.name,
        points=place(given.points, given.grid, grid),
        unit=given.unit,
        maps={name: place(values, given.grid, grid) for name, values in given.maps.items()},
        relief=None if given.plane is None else relief_row(given.plane),
        relief_unit=given.unit,
        up=given.up,
        verdict=given.verdict,
        notes=list(given.notes),
        sites=[_moved(site, given.grid, grid) for site in given.sites],
    )
    if truth is None:
        return own
    try:
        compared = compare(place(given.points, given.grid, truth.grid), truth)
    except InputError as error:
        return replace(own, notes=[*own.notes, f"not compared with the truth: {error}"])
    errors = _errors(compared, with_slope="slope" not in own.maps)
    compared_own = replace(
        own,
        maps=own.maps | {name: place(values, truth.grid, grid) for name, values in errors.items()},
        relief=relief_row(truth.plane, compared.alignment),
        relief_unit="m",
        scores=compared.scores,
    )
    return _scaled(compared_own, compared.alignment.scale) if own.unit == "relative" else (
        compared_own
    )  # fmt: skip


def _scaled(method: Method, metres: float) -> Method:
    """Lengths without a scale of their own, in the truth's metres."""
    assert method.relief is not None
    scaled = {name: method.maps[name] * metres for name in _LENGTHS if name in method.maps}
    return replace(
        method,
        points=method.points * metres,
        unit="m",
        maps=method.maps | scaled,
        relief=np.append(method.relief[:3] / metres, method.relief[3]),
        notes=[*method.notes, "no scale of its own: lengths are scaled to the truth"],
    )


def _errors(compared: Compared, with_slope: bool) -> dict[str, NDArray[Any]]:
    errors: dict[str, NDArray[Any]] = {
        "depth_error": compared.depth_error,
        "slope_error": compared.slope_error,
    }
    return errors | ({"slope": compared.slope} if with_slope else {})


def _true(truth: Reference, grid: Grid) -> Method:
    return Method(
        name="truth",
        points=place(truth.points(), truth.grid, grid),
        unit="m",
        maps={"slope": place(truth.slope(), truth.grid, grid)},
        relief=relief_row(truth.plane),
        relief_unit="m",
        up=truth.up,
        verdict="truth",
    )


def _moved(site: dict[str, float], source: Grid, target: Grid) -> dict[str, float]:
    """A site's pixels on another grid."""
    moved = dict(site)
    for axis, at in (("x", 0), ("y", 1)):
        image = source.crop[at] + site[axis] / source.shape[1 - at] * source.crop[2 + at]
        moved[axis] = (image - target.crop[at]) / target.crop[2 + at] * target.shape[1 - at]
    return moved


def _size_notes(given: Sequence[Given], grid: Grid) -> list[str]:
    others: dict[tuple[int, int], list[str]] = {}
    for one in given:
        if one.grid != grid:
            others.setdefault(one.grid.shape, []).append(one.name)
    rows, columns = grid.shape
    return [
        f"shown at {columns} x {rows} px, computed at {shape[1]} x {shape[0]} px: "
        + ", ".join(names)
        for shape, names in others.items()
    ]


def _with_unique_names(methods: list[Method]) -> list[Method]:
    count, seen = Counter(method.name for method in methods), Counter[str]()
    named = []
    for method in methods:
        seen[method.name] += 1
        several = count[method.name] > 1
        name = f"{method.name} ({seen[method.name]})" if several else method.name
        named.append(replace(method, name=name))
    return named
