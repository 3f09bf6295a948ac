"""Ways from a pair to P(safe), on the same cells of the same ground.

"One sigma" forgets what our errors say of places: all of a pair get the median of them. The network
alone and SGBM know no error of their own. Each is told how wrong it typically is, one number for
all slopes and one for all roughness.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import cv2
import numpy as np
from lunar_runtime import Rig, StereoResult, StereoRuntime
from lunar_runtime.errors import LunarError
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import GridSource, GroundGrid, ground_grid
from lunar_runtime.landing.hazards import Errors, Hazards, find_hazards
from lunar_runtime.landing.landing import Landing, find_landing
from lunar_runtime.landing.sites import Places, Site
from numpy.typing import NDArray

from lunar_bench.accuracy.rectified import RectifiedPair
from lunar_bench.accuracy.window_matching import sgbm, smoothed
from lunar_bench.landing.cases import LandingCase, TypicalError
from lunar_bench.landing.true_places import TruePlaces, true_places

Method = Literal["ours", "one sigma", "network only", "SGBM 2x"]
METHODS: tuple[Method, ...] = ("ours", "one sigma", "network only", "SGBM 2x")
_FINER = 2  # SGBM's resolution over the image's
_FILL_PX, _LEAST_AROUND = 4.0, 0.3  # of holes, and of the weight of what is around them
_SMOOTHING_PX = 4.0  # of SGBM's disparities: the best of 2, 4 and 6 on the published pairs


class Answers(NamedTuple):
    """What a case gave.

    Attributes:
        result: Of the runtime.
        landing: On it.
        hazards: Method -> what it says of the landing's centres.
        sites: Method -> what it names.
        truth: What is true of the centres.
        landing_ms: Wall time of grid, hazards and sites.
    """

    result: StereoResult
    landing: Landing
    hazards: dict[Method, Hazards]
    sites: dict[Method, Sequence[Site]]
    truth: TruePlaces
    landing_ms: float


def answer(runtime: StereoRuntime, case: LandingCase) -> Answers:
    """Run every method.

    Raises:
        LunarError: The runtime refuses the pair.
    """
    pair = case.pair
    result = runtime.infer(pair.left, pair.right, case.rig, refine="on")
    start = time.perf_counter()
    landing = find_landing(result, case.lander)
    landing_ms = 1e3 * (time.perf_counter() - start)
    truth = true_places(case, landing)
    hazards, grid, lander = landing.hazards, landing.grid, case.lander
    found: dict[Method, Hazards] = {"ours": hazards}
    sites: dict[Method, Sequence[Site]] = {"ours": landing.sites}
    one = Errors(
        slope_deg=float(_median(hazards.slope_sigma_deg)),
        roughness_cells=float(_median(hazards.roughness_sigma_m)) / grid.cell_m,
    )
    stride = hazards.centres.stride

    def judge(name: Method, ground: GroundGrid, known: NDArray[np.bool_], errors: Errors) -> None:
        ground = replace(ground, errors=np.zeros((0, *ground.shape), np.float32))
        found[name] = find_hazards(ground, known, lander, errors, stride=stride)
        sites[name] = Places.of(ground, found[name], lander).ranked()

    judge("one sigma", grid, landing.known, one)
    typical = case.typical
    others: tuple[tuple[Method, TypicalError, NDArray[np.float32] | None], ...] = (
        ("network only", typical.network, _network(runtime, case, grid.frame.camera_height_m)),
        ("SGBM 2x", typical.sgbm, _sgbm(case)),
    )
    for name, error, points in others:
        if points is not None:
            source = GridSource(points, result.camera_left.intrinsics, result.up.vector)
            other = ground_grid(source, like=grid)
            told = Errors(
                slope_deg=error.slope_deg, roughness_cells=error.roughness_m / grid.cell_m
            )
            judge(name, other, np.isfinite(other.height), told)
    return Answers(result, landing, found, sites, truth, landing_ms)


def _network(
    runtime: StereoRuntime, case: LandingCase, altitude_m: float
) -> NDArray[np.float32] | None:
    """(H, W, 3) metres by the true altitude: its own pose makes none here."""
    pair = case.pair
    rig = Rig(pair.camera_left, pair.camera_right, up_left=case.rig.up_left)
    try:
        result = runtime.infer(pair.left, pair.right, rig, refine="off", altitude_m=altitude_m)
    except LunarError:
        return None
    return _on_rays(result.pointmap_left[..., 2], case)


def _sgbm(case: LandingCase) -> NDArray[np.float32] | None:
    try:
        rectified = RectifiedPair.of(case.pair, _FINER)
        disparity = smoothed(sgbm(rectified), _SMOOTHING_PX * _FINER)
        return _on_rays(_filled(rectified.points(disparity)[..., 2]), case)
    except LunarError:
        return None


def _on_rays(z: NDArray[np.floating], case: LandingCase) -> NDArray[np.float32]:
    """(H, W, 3) of a depth of any resolution, on the rays of the left image's pixels."""
    shape = case.pair.left.shape
    fine = cv2.resize(z.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    rays = pixel_rays(case.pair.camera_left, *shape)
    return np.asarray(rays * fine[..., None], np.float32)


def _filled(z: NDArray[np.floating]) -> NDArray[np.float32]:
    """Small holes take the mean of what is around them, as who uses a window matcher does."""
    known = np.isfinite(z)
    value = np.where(known, z, 0).astype(np.float32)
    weight = cv2.GaussianBlur(known.astype(np.float32), (0, 0), _FILL_PX)
    around = cv2.GaussianBlur(value, (0, 0), _FILL_PX) / np.maximum(weight, np.float32(1e-6))
    filled = np.where(known, value, around)
    return np.where(weight > _LEAST_AROUND, filled, np.float32(np.nan))


def _median(values: Field) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else 1.0
