"""A result as ROS 2's messages, from a folder or as it comes out of the runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from lunar_runtime import StereoResult
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.landing.ground_grid import GridSource, ground_grid
from numpy.typing import NDArray

from lunar_ground.bags import messages as ros
from lunar_ground.bags.messages import Fields, Stamp
from lunar_ground.maps.cells import Cells, local_cells

#: The left camera, and the level frame on the ground below.
CAMERA, LOCAL = "lunar_left_optical", "lunar_local"
_UNKNOWN = 0  # of hazard.tif


@dataclass(frozen=True)
class Shown:
    """What is shown of a result; lengths in metres, the left view's grid.

    Attributes:
        points: (H, W, 3), left camera's frame; NaN where there is no depth.
        depth: (H, W).
        intrinsics: Of the grid.
        up: (3,) against gravity, left camera's frame.
        verdict: `measured` or `guessed`.
        reasons: Why it is guessed.
        layers: `slope` in degrees, `depth_sigma`: (H, W).
        hazard: (H, W) classes and P(safe) of a vehicle's landing; None = nobody asked.
        facts: What diagnostics say beside the verdict.
    """

    points: NDArray[Any]
    depth: NDArray[Any]
    intrinsics: Intrinsics
    up: NDArray[np.float64]
    verdict: str
    reasons: tuple[str, ...] = ()
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    hazard: tuple[NDArray[Any], NDArray[Any]] | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


def messages_of(shown: Shown, time_ns: int) -> Iterator[tuple[str, str, Fields]]:
    """Topic, type and fields of every message of a result.

    `/lunar/camera_info`; `/lunar/depth`, `/lunar/slope`, `/lunar/depth_sigma` (32FC1);
    `/lunar/points`, the left camera's frame; `/tf`, which places that camera in the level frame;
    `/lunar/grid_map`, heights and layers on the ground; `/lunar/hazards`, of a result with a
    vehicle; `/diagnostics`.

    Raises:
        InputError: The view shows no ground.
    """
    seen, ground = Stamp(time_ns, CAMERA), Stamp(time_ns, LOCAL)
    rows, columns = shown.depth.shape
    info = ros.camera_fields(shown.intrinsics, (columns, rows), seen)
    yield "/lunar/camera_info", ros.CAMERA, info
    for name, values in {"depth": shown.depth, **shown.layers}.items():
        picture = ros.image_fields(np.asarray(values, np.float32), seen)
        yield f"/lunar/{name}", ros.IMAGE, picture
    yield "/lunar/points", ros.POINTS, ros.points_fields(shown.points, shown.layers, seen)
    source = GridSource(np.asarray(shown.points, np.float32), shown.intrinsics, shown.up)
    frame = ground_grid(source).frame
    local_from_camera = np.eye(4)
    local_from_camera[:3, :3] = frame.axes
    local_from_camera[:3, 3] = -frame.axes @ frame.origin
    yield "/tf", ros.TREE, ros.tree_fields([(local_from_camera, ground, CAMERA)])
    cells = local_cells(source)
    corner = cells.west_m, cells.north_m - cells.cell_m * cells.height.shape[0]
    layers = _ground_layers(shown, cells)
    yield "/lunar/grid_map", ros.GRID_MAP, ros.grid_map_fields(layers, cells.cell_m, corner, ground)
    if shown.hazard is not None:
        unsafe = 1 - layers["safe_probability"]
        yield "/lunar/hazards", ros.GRID, ros.grid_fields(unsafe, cells.cell_m, corner, ground)
    measured = shown.verdict == "measured"
    message = "measured" if measured else f"guessed: {'; '.join(shown.reasons)}"
    level = ros.OK if measured else ros.WARN
    yield "/diagnostics", ros.DIAGNOSTICS, ros.diagnostics_fields(level, message, shown.facts, seen)


def shown_result(result: StereoResult, facts: Mapping[str, object]) -> Shown:
    """A result as the runtime gives it.

    Args:
        result: In metres, with the left view.
        facts: What diagnostics say beside the verdict.

    Raises:
        InputError: It is relative.
    """
    if result.unit != "m":
        raise InputError(
            "relative, and ROS' lengths are metres: tell a baseline, an altitude or poses"
        )
    view = result.views["left"]
    layers = {"slope": view.slope, "depth_sigma": view.depth_sigma}
    return Shown(
        result.pointmap_left,
        view.depth,
        result.camera_left.intrinsics,
        result.up.vector,
        result.verdict,
        tuple(result.verdict_reasons),
        {name: values for name, values in layers.items() if values is not None},
        facts={
            "scale": result.scale.words,
            "time (ms)": f"{sum(result.timings_ms.values()):.0f}",
            **facts,
        },
    )


def _ground_layers(shown: Shown, cells: Cells) -> dict[str, NDArray[Any]]:
    layers: dict[str, NDArray[Any]] = {"elevation": cells.height}
    if "slope" in shown.layers:
        layers["slope"] = cells.seen(shown.layers["slope"])
    if "depth_sigma" in shown.layers:
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = np.asarray(shown.layers["depth_sigma"]) / np.asarray(shown.depth)
        layers["elevation_sigma"] = np.abs(cells.lever) * cells.seen(relative)
    if shown.hazard is not None:
        # The nearest pixel's: between an unknown place and a safe one there is no half of it.
        classes, safe = (cells.seen(values, cv2.INTER_NEAREST) for values in shown.hazard)
        layers["safe_probability"] = np.where(classes == _UNKNOWN, np.float32(np.nan), safe)
    return layers
