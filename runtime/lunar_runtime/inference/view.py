"""What one camera sees of a geometry: depth, slopes, their expected errors."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.fields import together
from lunar_runtime.geometry.slope import (
    slope_of_normals,
    slope_paper_deg,
    slope_sigma_deg,
    surface_normals,
)
from lunar_runtime.inference.hazard import called_flatter, steep_ranges
from lunar_runtime.inference.maps import PointMap
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Side, UpEstimate, ViewResult


def solve_view(
    side: Side, found: PointMap, z: NDArray[np.float32], up: UpEstimate, options: InferOptions
) -> tuple[ViewResult, Notes]:
    """Depth in this camera's frame; slope in the left's, like `up`.

    Args:
        side: Whose view it is.
        found: Its points, left camera's frame.
        z: (H, W) of the same points in this camera's frame.
        up: What slopes are measured from.
        options: Which slope.

    Raises:
        InputError: No point lies in front of the camera.
    """
    depth, notes = _in_front(side, z)
    expected = found.expected
    depth_sigma = refined = slope_sigma = None
    steep: dict[int, tuple[float, float]] = {}
    flatter: dict[int, float] = {}
    if expected is not None:
        depth_sigma = np.asarray(depth * expected.sigma, np.float32)
        refined = expected.refined
    if options.slope == "paper":
        slope = slope_paper_deg(depth)
    else:
        sigmas = None
        if expected is not None:
            sigmas = begun(
                partial(
                    slope_sigma_deg,
                    found.points, expected.draws, up.vector, options.smoothing_px,
                )
            )  # fmt: skip
        normals = surface_normals(found.points, options.smoothing_px)
        normals[~np.isfinite(depth)] = np.nan
        slope = slope_of_normals(normals, up.vector)
        if expected is not None and sigmas is not None:
            slope_sigma = sigmas()
            # Depth, and with it the tangent of every slope, goes with the focal length.
            by_focal = np.sin(2 * np.radians(slope)) / 2 * expected.focal_sigma
            slope_sigma = together(slope_sigma, np.degrees(by_focal).astype(np.float32))
            slope_sigma[~np.isfinite(slope)] = np.nan
        steep = steep_ranges(normals, up, slope_sigma)
        if slope_sigma is not None:
            slope_sigma = together(slope_sigma, _by_up(slope, up.sigma_deg))
            flatter = called_flatter(slope, slope_sigma)
    draws = None if expected is None else expected.draws
    view = ViewResult(
        depth, slope, found.confidence, depth_sigma, slope_sigma, refined, draws, steep, flatter
    )
    return view, notes


def _by_up(slope: NDArray[np.float32], tilt_deg: float) -> NDArray[np.float32]:
    """What a tilt of up in any direction does to slopes, root mean square, degrees.

    It changes a steep slope by its part along the dip: half of its square. Level ground gets all of
    it.
    """
    square, tilt = slope * slope, np.float32(tilt_deg**2)
    share = (square / 2 + tilt) / (square + tilt + np.float32(1e-12))
    return np.asarray(np.sqrt(tilt * share), np.float32)


def _in_front(side: Side, z: NDArray[np.float32]) -> tuple[NDArray[np.float32], Notes]:
    """Depth with NaN for points behind the camera."""
    depth = np.array(z, np.float32)
    notes = Notes()
    with np.errstate(invalid="ignore"):
        behind = depth <= 0
    if behind.any():
        count = int(np.count_nonzero(behind))
        notes = Notes.warn(f"{side}: {count} of {depth.size} points lie behind the camera")
        depth[behind] = np.nan
    if not np.isfinite(depth).any():
        raise InputError(f"no point of the {side} view lies in front of its camera; check the pair")
    return depth, notes
