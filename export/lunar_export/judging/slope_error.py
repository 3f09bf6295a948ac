"""What a lower precision does to the slopes of a pointmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, true_pointmap
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.slope import slope_deg
from numpy.typing import NDArray

from lunar_export.judging.reference import Arrays, Reference
from lunar_export.pairs.evaluation import EvaluationPair

HAZARDS_DEG = (10.0, 15.0)
ERODE_PX = 3  # of slopes at the border, as in lunar_calib.truth.accuracy


@dataclass(frozen=True)
class SlopeError:
    """A network's outputs against those of the FP32 student.

    Attributes:
        shift_deg: Mean |slope − FP32 slope| over all pixels, both against FP32's plane; no smaller
            than what it changes of the mean error against any truth.
        mae_deg: Mean slope error against the true depth; None where none is known.
        miss: Hazard in degrees -> share of the truly steeper pixels, of all pairs together, that
            are called safe; None where nothing known is that steep.
        max_relative_error: Of any point of a pointmap.
        not_finite: Values that are NaN or infinite.
    """

    shift_deg: float
    mae_deg: float | None
    miss: dict[float, float | None]
    max_relative_error: float
    not_finite: int


@dataclass(frozen=True)
class _PairSlopes:
    """What the FP32 student makes of one pair.

    Attributes:
        ups: Pointmap -> (3,) normal of its plane.
        slopes: Pointmap -> (H, W) degrees against that plane.
        steep: Hazard in degrees -> how many pixels truly are steeper.
    """

    ups: dict[str, NDArray[np.float64]]
    slopes: dict[str, NDArray[np.float32]]
    steep: dict[float, int]


@dataclass(frozen=True)
class SlopeReference:
    """What the FP32 student gives on some pairs, as slopes.

    Attributes:
        reference: Pairs and outputs.
        slopes: Of each pair.
    """

    reference: Reference
    slopes: tuple[_PairSlopes, ...]

    @classmethod
    def of(cls, reference: Reference) -> SlopeReference:
        """Take the slopes of every pair."""
        found = zip(reference.pairs, reference.outputs, strict=True)
        return cls(reference, tuple(_pair_slopes(pair, arrays) for pair, arrays in found))

    @property
    def pairs(self) -> tuple[EvaluationPair, ...]:
        """Which pairs."""
        return self.reference.pairs

    @cached_property
    def fp32(self) -> SlopeError:
        """How good the FP32 student itself is."""
        return self.measure(self.reference.outputs)

    def measure(self, given: Sequence[Arrays]) -> SlopeError:
        """Compare a network's outputs on the same pairs."""
        shifts, worst, broken = [], 0.0, 0
        miss: dict[float, list[tuple[float, int]]] = {hazard: [] for hazard in HAZARDS_DEG}
        maes = []
        for pair, arrays, expected, known in zip(
            self.pairs, given, self.reference.outputs, self.slopes, strict=True
        ):
            broken += sum(int(np.count_nonzero(~np.isfinite(a))) for a in arrays.values())
            for name in _pointmaps(expected):
                worst = max(worst, relative_error(arrays[name], expected[name])[0])
                slope = slope_deg(arrays[name][0], known.ups[name])
                inner = np.abs(slope - known.slopes[name])[ERODE_PX:-ERODE_PX, ERODE_PX:-ERODE_PX]
                # A slope that was lost is as wrong as a slope can be.
                shifts.append(float(np.mean(np.where(np.isfinite(inner), inner, 90.0))))
            accuracy = _accuracy(arrays["pointmap_left"][0], pair)
            if accuracy is not None:
                maes.append(accuracy.slope_mae_deg)
                for hazard, share in accuracy.hazard_miss.items():
                    if share is not None:
                        miss[hazard].append((share, known.steep[hazard]))
        return SlopeError(
            shift_deg=float(np.mean(shifts)),
            mae_deg=float(np.mean(maes)) if maes else None,
            miss={hazard: _mean(shares) for hazard, shares in miss.items()},
            max_relative_error=worst,
            not_finite=broken,
        )


def _pair_slopes(pair: EvaluationPair, arrays: Arrays) -> _PairSlopes:
    ups, slopes = {}, {}
    for name in _pointmaps(arrays):
        try:
            ups[name] = fit_plane(arrays[name][0]).normal
        except InputError:  # no plane in it: random weights
            ups[name] = np.array([0.0, 0.0, -1.0])
        slopes[name] = slope_deg(arrays[name][0], ups[name])
    return _PairSlopes(ups, slopes, _steep_pixels(pair))


def _pointmaps(arrays: Arrays) -> list[str]:
    return [name for name in arrays if name.startswith("pointmap")]


def _accuracy(pointmap: NDArray[np.float32], pair: EvaluationPair) -> Accuracy | None:
    if pair.depth is None or pair.camera is None:
        return None
    try:
        return measure_accuracy(
            pointmap, pair.depth, pair.camera, thresholds_deg=HAZARDS_DEG, erode_px=ERODE_PX
        )
    except InputError:  # too few points left to align
        return None


def _steep_pixels(pair: EvaluationPair) -> dict[float, int]:
    if pair.depth is None or pair.camera is None:
        return dict.fromkeys(HAZARDS_DEG, 0)
    true = true_pointmap(pair.depth, pair.camera)
    slope = slope_deg(true, fit_plane(true).normal)
    return {hazard: int(np.count_nonzero(slope >= hazard)) for hazard in HAZARDS_DEG}


def _mean(shares: list[tuple[float, int]]) -> float | None:
    shares = [(share, pixels) for share, pixels in shares if pixels]
    if not shares:
        return None
    return float(np.average([s for s, _ in shares], weights=[n for _, n in shares]))
