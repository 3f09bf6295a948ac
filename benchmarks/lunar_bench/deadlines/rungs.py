"""How good every rung of the ladder is, on pairs with truth, each on the pair's own pixels."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from lunar_calib.truth.accuracy import measure_accuracy, true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.attempt import NEVER, Attempt
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.costs import Costs
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.work import PairWork
from numpy.typing import NDArray

from lunar_bench.deadlines.record import RungAccuracy

_MISS_DEG = ("10", "15")


def measure_rungs(runtime: StereoRuntime, pairs: Sequence[KnownPair]) -> list[RungAccuracy]:
    """Answer every pair on every rung, without a deadline.

    Args:
        runtime: A loaded bundle.
        pairs: With truth; cameras are told, the pose is not.
    """
    found: dict[str, _Tally] = defaultdict(_Tally)
    for pair in pairs:
        rig = Rig(left=pair.camera_left, right=pair.camera_right)
        images = pair.left, pair.right
        for rung in _attempt(runtime, images, rig).rungs():
            attempt = _attempt(runtime, images, rig)  # each runs the network anew
            start = time.perf_counter()
            try:
                result = attempt.run(rung)
            except InputError:
                found[str(rung)].refused += 1
                continue
            found[str(rung)].add(result, pair, (time.perf_counter() - start) * 1e3)
    return [tally.summary(name) for name, tally in found.items()]


def _attempt(
    runtime: StereoRuntime, images: tuple[NDArray[np.uint8], NDArray[np.uint8]], rig: Rig
) -> Attempt:
    work = PairWork.read(*images, rig, InferOptions(), (None, None), Clock())
    return Attempt(Costs(), work, runtime.network, NEVER)


class _Tally:
    def __init__(self) -> None:
        self.refused = self.measured = 0
        self._took_ms: list[float] = []
        self._scores: list[tuple[float, float | None, dict[str, float]]] = []

    def add(self, result: StereoResult, pair: KnownPair, took_ms: float) -> None:
        self._took_ms.append(took_ms)
        self.measured += result.verdict == "measured"
        height, width = pair.left.shape
        points = np.asarray(result.pointmap_left, np.float64)
        if points.shape[:2] != (height, width):
            size = width, height
            points = np.asarray(
                cv2.resize(points, size, interpolation=cv2.INTER_LINEAR), np.float64
            )
        up = fit_plane(true_pointmap(pair.depth, pair.camera_left)).normal
        own = measure_accuracy(points, pair.depth, pair.camera_left, up=up)
        miss = {f"{limit:g}": value for limit, value in own.hazard_miss.items()}
        known = {limit: miss[limit] for limit in _MISS_DEG if miss.get(limit) is not None}
        self._scores.append((own.absrel_median, own.slope_mae_deg, known))  # type: ignore[arg-type]

    def summary(self, name: str) -> RungAccuracy:
        depth = [score[0] for score in self._scores]
        slope = [score[1] for score in self._scores if score[1] is not None]
        miss = {limit: [s[2][limit] for s in self._scores if limit in s[2]] for limit in _MISS_DEG}
        return RungAccuracy(
            rung=name,
            pairs=len(self._scores),
            refused=self.refused,
            measured=self.measured,
            absrel_median=float(np.median(depth)) if depth else None,
            slope_mae_deg=float(np.median(slope)) if slope else None,
            miss={limit: float(np.mean(values)) for limit, values in miss.items() if values},
            took_ms=float(np.median(self._took_ms)) if self._took_ms else 0.0,
        )
