"""What a flip did to a result: against the result without it, and the truth."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import LunarError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.slope import slope_deg
from lunar_runtime.inference.options import Refine
from numpy.typing import NDArray

from lunar_bench.upsets.record import HAZARDS_DEG, Harm

_TRIED = 6  # pixels
_NUMBERS = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True)
class Told:
    """A result as far as a flip is held against it.

    Attributes:
        slope: (H, W) degrees; None where there is no result.
        said: Warnings, reasons, alarms, their numbers left out; or the error.
    """

    slope: NDArray[np.float32] | None
    said: frozenset[str]


class Judge:
    """Holds results of one pair against the result without a flip.

    Args:
        pair: With its truth, of the size of the network's input.
    """

    def __init__(self, pair: KnownPair) -> None:
        self.pair = pair
        depth = np.where(pair.depth > 0, pair.depth, np.float32(np.nan))
        assert pair.up_left is not None
        self._truth = slope_deg(true_pointmap(depth, pair.camera_left), pair.up_left)
        # The network's own pose is too coarse for a rig's: half of the pairs would be refused.
        self._rig = Rig(left=pair.camera_left, right=pair.camera_right, up_left=pair.up_left)
        self._clean: dict[Refine, Told] = {}
        self._rounding: dict[Refine, tuple[float, float]] = {}

    @property
    def rounding_deg(self) -> float:
        """Mean change of the slopes, unrefined, by one grey level in one pixel."""
        return self._rounding["off"][0]

    def infer(
        self, runtime: StereoRuntime, refine: Refine, left: NDArray[np.uint8] | None = None
    ) -> Told:
        """Run the pair, or its right image with another left one."""
        left = self.pair.left if left is None else left
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = runtime.infer(left, self.pair.right, self._rig, refine=refine)
        except LunarError as error:
            return refused(error)
        except Exception as error:  # a traceback is noticed too; it is counted by its name
            return Told(None, frozenset([f"crashed: {type(error).__name__}"]))
        return told(result)

    def learn(self, runtime: StereoRuntime, refine: Refine) -> None:
        """Run the pair as it is, to be compared with."""
        self._clean[refine] = self.infer(runtime, refine)

    def learn_rounding(self, runtime: StereoRuntime) -> None:
        """See how far the smallest change of an image goes: much of it is what 8 bits round.

        Of several such changes the largest counts.
        """
        rng = np.random.default_rng(0)
        for refine in self._clean:
            found = []
            for _ in range(_TRIED):
                left = self.pair.left.copy()
                place = tuple(rng.integers(left.shape))
                left[place] = left[place] + 1 if left[place] < 255 else 254
                found.append(self.harm(self.infer(runtime, refine, left), refine))
            self._rounding[refine] = (
                max(one.moved_deg or 0.0 for one in found),
                max(abs(one.more_missed or 0.0) for one in found),
            )

    def harm(self, found: Told, refine: Refine) -> Harm:
        """What is worse than without the flip."""
        clean = self._clean[refine]
        rounding_deg, rounding_missed = self._rounding.get(refine, (0.0, 0.0))
        said = sorted(found.said - clean.said)
        if found.slope is None or clean.slope is None:
            return Harm(moved_deg=None, more_missed=None, lost=1.0, said=said)
        known = np.isfinite(clean.slope)
        both = known & np.isfinite(found.slope)
        moved = np.abs(found.slope[both] - clean.slope[both])
        more = [
            _missed(found.slope, self._truth, known, limit)
            - _missed(clean.slope, self._truth, known, limit)
            for limit in HAZARDS_DEG
        ]
        return Harm(
            moved_deg=round(float(moved.mean()), 5) if moved.size else None,
            more_missed=round(max(more), 5),
            lost=round(1 - float(both.sum()) / max(1, int(known.sum())), 5),
            said=said,
            rounding_deg=rounding_deg,
            rounding_missed=rounding_missed,
        )


def refused(error: LunarError) -> Told:
    """An error in a result's place."""
    return Told(None, frozenset([f"{type(error).__name__}: {_skeleton(str(error))}"]))


def told(result: StereoResult) -> Told:
    """What of a result is compared."""
    words = [*result.warnings, *result.verdict_reasons, f"verdict {result.verdict}"]
    words += [alarm.saw for alarm in result.alarms if alarm.saw not in result.verdict_reasons]
    return Told(
        np.asarray(result.views["left"].slope, np.float32), frozenset(map(_skeleton, words))
    )


def _missed(
    slope: NDArray[np.float32], truth: NDArray[np.float32], known: NDArray[np.bool_], limit: float
) -> float:
    """Share of the ground truly steeper than `limit` that is called flatter."""
    if slope.shape != truth.shape:
        rows = np.arange(slope.shape[0]) * truth.shape[0] // slope.shape[0]
        columns = np.arange(slope.shape[1]) * truth.shape[1] // slope.shape[1]
        truth = truth[np.ix_(rows, columns)]
    steep = known & (truth > limit)
    with np.errstate(invalid="ignore"):
        return float(np.sum(slope[steep] < limit)) / max(1, int(steep.sum()))


def _skeleton(text: str) -> str:
    return _NUMBERS.sub("#", text)
