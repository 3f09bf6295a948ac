"""From the network's arbitrary unit to metres: by one known length, or not at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane

# A pointmap with smooth errors of 0.3 % moves the recovered camera by as much as 0.5 % of the depth
# (measured on StereoLunar geometry): an estimate below that is no baseline.
_MIN_BASELINE_OVER_DEPTH = 5e-3


class ScaleSource(Enum):
    """What fixed the scale."""

    RELATIVE = "relative"
    BASELINE = "baseline"
    RIG = "rig"
    ALTITUDE = "altitude"
    EARLIER = "earlier pair"


@dataclass(frozen=True)
class Scale:
    """The factor from the network's unit to metres.

    Attributes:
        metres_per_unit: None when nothing fixes it.
        source: What fixed it.
        sigma: Relative error that all lengths share, standard deviation; None = not known.
        other: What counts beside the source, by its own error; None = nothing.
    """

    metres_per_unit: float | None
    source: ScaleSource
    sigma: float | None = None
    other: ScaleSource | None = None

    @property
    def unit(self) -> str:
        """Unit of scaled lengths: "m" or "relative"."""
        return "relative" if self.metres_per_unit is None else "m"

    @property
    def words(self) -> str:
        """What fixed it, for a user."""
        return " and ".join(one.value for one in (self.source, self.other) if one is not None)

    @property
    def factor(self) -> float:
        """What to multiply lengths with: `metres_per_unit`, or 1 when the scale is relative."""
        return 1.0 if self.metres_per_unit is None else self.metres_per_unit


def relative_scale() -> Scale:
    """No scale: lengths stay in the network's unit."""
    return Scale(None, ScaleSource.RELATIVE)


def scale_from_baseline(
    right_from_left: NDArray[Any],
    baseline_m: float,
    *,
    median_depth: float | None = None,
    source: ScaleSource = ScaleSource.BASELINE,
) -> Scale:
    """The scale at which the estimated cameras are `baseline_m` apart.

    No better than the recovered pose. On StereoLunar geometry with smooth pointmap errors of 1 %,
    the scale was 2-6 % off at a baseline of 0.4 of the depth, 16 % at 0.12 and 40 % at 0.045:
    there, prefer the altitude.

    Args:
        right_from_left: (4, 4) pose recovered from the pointmap, in the network's unit.
        baseline_m: True distance between the two cameras' centres, metres.
        median_depth: Of the scene, in the network's unit. With it, an estimated baseline below
            0.5 % of the depth is refused, because dividing by it would only amplify noise.
            Without it, only an exact zero is.
        source: `ScaleSource.RIG` when the baseline is that of a rig's pose.

    Raises:
        InputError: A length is not positive and finite, or the images show no parallax.
    """
    baseline_m = _positive("baseline", baseline_m)
    pose = np.asarray(right_from_left, dtype=np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise InputError(f"right_from_left must be a finite (4, 4) matrix, not {pose.shape}")
    baseline = float(np.linalg.norm(pose[:3, 3]))
    smallest = 0.0
    if median_depth is not None:
        smallest = _MIN_BASELINE_OVER_DEPTH * _positive("median depth", median_depth, unit="units")
    if baseline <= smallest:
        raise InputError(
            "the two views show no parallax (the same image twice, a camera that only turned, or a "
            "pair that the network does not understand), so the baseline cannot fix the scale; "
            "give `altitude_m` instead, or no baseline (in a rig: no right_from_left)"
        )
    return Scale(_positive("scale", baseline_m / baseline, unit="metres per unit"), source)


def scale_from_rig(
    right_from_left: NDArray[Any],
    rig_right_from_left: NDArray[Any],
    *,
    median_depth: float | None = None,
) -> Scale:
    """`scale_from_baseline` with the baseline of a rig's pose.

    Args:
        right_from_left: (4, 4) pose recovered from the pointmap, in the network's unit.
        rig_right_from_left: (4, 4) pose of the rig, metres.
        median_depth: See `scale_from_baseline`.

    Raises:
        InputError: As `scale_from_baseline`.
    """
    baseline_m = float(np.linalg.norm(np.asarray(rig_right_from_left, np.float64)[:3, 3]))
    return scale_from_baseline(
        right_from_left, baseline_m, median_depth=median_depth, source=ScaleSource.RIG
    )


def scale_from_altitude(plane: Plane, altitude_m: float) -> Scale:
    """The scale at which the left camera is `altitude_m` above the scene's plane.

    Args:
        plane: Fitted to the pointmap, in the network's unit.
        altitude_m: Perpendicular distance of the left camera from that plane, metres (not the
            range along the line of sight).

    Raises:
        InputError: The altitude is not positive and finite, or the plane passes through the camera.
    """
    altitude_m = _positive("altitude", altitude_m)
    height = plane.camera_height
    if not (math.isfinite(height) and height > 0):
        raise InputError(
            "the scene's plane passes through the camera, so the altitude cannot fix the scale; "
            "give the baseline instead, or neither"
        )
    scale = _positive("scale", altitude_m / height, unit="metres per unit")
    return Scale(scale, ScaleSource.ALTITUDE)


def altitude_errors(points: NDArray[Any], draws: NDArray[Any], plane: Plane) -> NDArray[np.float64]:
    """What errors of the depth make of the camera's height over the plane through the points.

    Every draw moves the points along their rays, and the plane of least squares with them; to first
    order in the draw.

    Args:
        points: (H, W, 3), the plane's unit and frame.
        draws: (N, H, W) relative errors of the depth.
        plane: Through the points.

    Returns:
        (N,) relative errors of the height: a scale from the altitude has their opposites.
    """
    point = np.asarray(points, np.float64).reshape(-1, 3)
    drawn = np.asarray(draws, np.float64).reshape(len(draws), -1)
    known = np.isfinite(point).all(axis=-1)
    point, drawn = point[known], drawn[:, known]
    across = np.linalg.svd(plane.normal[None])[2][1:]  # two axes in the plane
    centre = point.mean(axis=0)
    A = np.concatenate([(point - centre) @ across.T, np.ones((len(point), 1))], axis=-1)
    moved = drawn * (point @ plane.normal)  # up is positive
    affine = np.linalg.lstsq(A, moved.T, rcond=None)[0]
    foot = np.append(-centre @ across.T, 1.0)  # of the camera
    return np.asarray(-(foot @ affine) / plane.camera_height, np.float64)


def _positive(name: str, value: float, *, unit: str = "metres") -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"the {name} must be a positive number of {unit}, not {value}")
    return float(value)
