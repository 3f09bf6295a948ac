"""What a run's answer was worth: measured and right, measured and wrong, guessed or refused."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from lunar_runtime import StereoResult
from lunar_runtime.geometry.grid_mapping import GridMapping
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Ground
from lunar_bench.record.base import Record

Outcome = Literal["measured & right", "measured & wrong", "guessed", "refused", "crashed"]
OUTCOMES: tuple[Outcome, ...] = (
    "measured & right", "measured & wrong", "guessed", "refused", "crashed",
)  # fmt: skip

#: A measured result is wrong beyond any of these.
SIGMAS = 3.0  # of its own, in the median over the pixels
METRES = 0.05  # a share
MISSED = 0.10  # of the hazards, more than in the clean pair
HAZARD_DEG = 15.0

_LEAST_PIXELS = 100  # for a median
_LEAST_HAZARDS = 500  # pixels truly steep, for a share of them


class Figures(Record, frozen=True):
    """A result against the truth, over the pixels that both know.

    Attributes:
        pixels: How many.
        metres_ratio: Median depth over the true one; None where lengths are relative.
        depth_error: Median relative error of depth; relative lengths at their best factor.
        depth_sigmas: Median error of depth in the result's own sigmas; None without sigmas.
        slope_error_deg: Median error of the slope.
        slope_sigmas: The same in its sigmas.
        hazards: Pixels truly steep that have a slope, here and in the undamaged pair's result.
        missed: Share of the truly steep ground that was called flatter; None where there is too
            little.
        missed_surely: The part of `missed` that the result's own error does not excuse: 2 sigmas
            more would still be called flatter. Counted beside; no rule rests on it.
        missed_clean: `missed` of the undamaged pair's result, on the same pixels.
        on_nothing: Share of the pixels without ground to which the result gives a depth; None
            where all show ground.
    """

    pixels: int
    metres_ratio: float | None
    depth_error: float | None
    depth_sigmas: float | None
    slope_error_deg: float | None
    slope_sigmas: float | None
    hazards: int
    missed: float | None
    missed_surely: float | None
    missed_clean: float | None
    on_nothing: float | None


def measure(result: StereoResult, ground: Ground) -> Figures:
    """Hold a result's left view against the truth."""
    view = result.views["left"]
    truth = on_grid(ground, result.mapping)
    depth = np.asarray(view.depth, np.float64)
    both = np.isfinite(depth) & np.isfinite(truth.depth)
    pixels = int(np.count_nonzero(both))
    ratio = depth[both] / truth.depth[both]
    median = float(np.median(ratio)) if pixels >= _LEAST_PIXELS else math.nan
    metres = result.unit == "m"
    error = np.abs(ratio / (1.0 if metres else median) - 1) if pixels else ratio
    slope_error = np.abs(view.slope - truth.slope)
    steep = (truth.slope > HAZARD_DEG) & np.isfinite(view.slope)
    clean_known = np.isfinite(truth.clean_slope)
    if clean_known.any():
        steep &= clean_known
    hazards = int(np.count_nonzero(steep))
    missed = surely = missed_clean = None
    if hazards >= _LEAST_HAZARDS:
        missed = _short(np.mean(view.slope[steep] < HAZARD_DEG))
        if view.slope_sigma is not None:
            steepest = view.slope[steep] + 2 * view.slope_sigma[steep]
            surely = _short(np.mean(steepest < HAZARD_DEG))
        if clean_known.any():
            missed_clean = _short(np.mean(truth.clean_slope[steep] < HAZARD_DEG))
    depth_sigmas = slope_sigmas = None
    if view.depth_sigma is not None:
        scale = 1.0 if metres else median
        depth_sigmas = _median(np.abs(depth / scale - truth.depth) / (view.depth_sigma / scale))
    if view.slope_sigma is not None:
        slope_sigmas = _median(slope_error / view.slope_sigma)
    return Figures(
        pixels=pixels,
        metres_ratio=_short(median) if metres else None,
        depth_error=_median(error),
        depth_sigmas=depth_sigmas,
        slope_error_deg=_median(slope_error),
        slope_sigmas=slope_sigmas,
        hazards=hazards,
        missed=missed,
        missed_surely=surely,
        missed_clean=missed_clean,
        on_nothing=_short(np.mean(np.isfinite(depth[truth.hidden])))
        if truth.hidden.any()
        else None,
    )


def faults(figures: Figures | None) -> list[str]:
    """What is wrong with a result that calls itself measured; nothing where it is right.

    Args:
        figures: Of the result; None where the images show no ground that both have, so that there
            was nothing to measure.
    """
    if figures is None:
        return ["there is nothing to measure"]
    found = []
    for what, sigmas in (("depth", figures.depth_sigmas), ("slope", figures.slope_sigmas)):
        if sigmas is None and figures.pixels >= _LEAST_PIXELS:
            found.append(f"{what} without an expected error")
        elif sigmas is not None and sigmas > SIGMAS:
            found.append(f"{what} off by {sigmas:.1f} of its sigmas")
    ratio = figures.metres_ratio
    if ratio is not None and abs(ratio - 1) > METRES:
        found.append(f"metres {ratio:.3g} times the true ones")
    if figures.missed is not None and figures.missed_clean is not None:
        more = figures.missed - figures.missed_clean
        if more > MISSED:
            found.append(f"misses {figures.missed:.0%} of the hazards, {more:.0%} more than clean")
    return found


def on_grid(ground: Ground, mapping: GridMapping) -> Ground:
    """The truth on a result's grid: at each of its pixels, that of the nearest image pixel."""
    rows, columns = np.mgrid[: mapping.grid_height, : mapping.grid_width] + 0.5
    points = mapping.points_to_source(np.stack([columns, rows], axis=-1))
    return ground.at(points[..., 0], points[..., 1])


def _median(values: NDArray[np.floating]) -> float | None:
    known = values[np.isfinite(values)]
    return _short(np.median(known)) if known.size >= _LEAST_PIXELS else None


def _short(value: float | np.floating) -> float | None:
    return float(f"{float(value):.4g}") if math.isfinite(value) else None
