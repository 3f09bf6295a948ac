"""What images under other suns add to a pair: StereoLunar has every place under three.

Every arm has the same pair in turn. Images that are no pair under two suns are one more light each,
seen from the left camera's place or from the right camera's, whose pose is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, stereolunar_pairs
from lunar_runtime import OtherSun, Rig, StereoRuntime
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from lunar_bench.refinement.figures import Truth
from lunar_bench.refinement.shading import ShadedPair, ShadingAblation, slope_ratios
from lunar_bench.sensors.machine import describe_machine

_ASTRAY_PX = 3.0  # what a pose from elsewhere may be off by, pixels of the image


def one_place(pair: KnownPair, others: Sequence[KnownPair]) -> list[OtherSun]:
    """One image from the left camera's place."""
    return [OtherSun(others[0].left)]


def one_elsewhere(pair: KnownPair, others: Sequence[KnownPair]) -> list[OtherSun]:
    """One from the right camera's place."""
    return [_elsewhere(pair, others[0])]


def one_astray(pair: KnownPair, others: Sequence[KnownPair]) -> list[OtherSun]:
    """The same with a pose that is off."""
    return [_elsewhere(pair, others[0], _ASTRAY_PX)]


def two_elsewhere(pair: KnownPair, others: Sequence[KnownPair]) -> list[OtherSun]:
    """Two suns from the right camera's place."""
    return [_elsewhere(pair, other) for other in others[:2]]


def _elsewhere(pair: KnownPair, other: KnownPair, off_px: float = 0.0) -> OtherSun:
    pose = np.array(pair.right_from_left, np.float64)
    angle = off_px / pair.camera_right.fx
    turn = cv2.Rodrigues(np.array([0.6 * angle, 0.8 * angle, 0.0]))[0]
    pose[:3] = turn @ pose[:3]
    return OtherSun(other.right, pair.camera_right, pose)


Given = Callable[[KnownPair, Sequence[KnownPair]], list[OtherSun]]
SUNS: dict[str, Given] = {
    "pair": lambda pair, others: [],
    "one": one_place,
    "elsewhere": one_elsewhere,
    "astray": one_astray,
    "two": two_elsewhere,
}


def measure_suns(
    bundle: Path | None,
    folder: Path,
    tell: Callable[[ShadedPair], None] = lambda _: None,
) -> ShadingAblation:
    """Run every arm on every pair of StereoLunar.

    Args:
        bundle: Of the network; None = the one in the package.
        folder: In StereoLunar's layout.
        tell: Told every pair's result.

    Raises:
        InputError: No place is seen under two suns.
    """
    machine = describe_machine()
    done: list[ShadedPair] = []
    with StereoRuntime.load(bundle) as runtime:
        pairs = stereolunar_pairs(folder)
        for _, group in groupby(pairs, key=lambda pair: pair.name.rpartition(" sun ")[0]):
            place = list(group)
            for number, pair in enumerate(place):
                others = [*place[number + 1 :], *place[:number]]
                if len(others) >= 2:
                    done.append(_measure(runtime, pair, others))
                    tell(done[-1])
        digest = runtime.bundle.digest
    if not done:
        raise InputError(f"{folder}: no place is seen under three suns")
    ratios = slope_ratios(done, list(SUNS))
    return ShadingAblation("StereoLunar, other suns", digest, ratios, done, machine)


def _measure(runtime: StereoRuntime, pair: KnownPair, others: list[KnownPair]) -> ShadedPair:
    truth = Truth(pair)
    rig = Rig(pair.camera_left, pair.camera_right, pair.right_from_left, pair.up_left)
    record = ShadedPair(pair.name, None, 0.0, {}, {})
    regions: dict[str, NDArray[np.bool_]] = {}
    for name, given in SUNS.items():
        found = runtime.infer(pair.left, pair.right, rig, other_suns=given(pair, others))
        assert found.refinement is not None
        if not found.refinement.done:
            return ShadedPair(pair.name, found.refinement.reason, 0.0, {}, {})
        refined = found.views["left"].refined
        if not regions and refined is not None:  # the first arm's, for all
            regions = truth.regions(refined)
        record.figures[name] = truth.figures(found.pointmap_left, regions)
        record.refine_ms[name] = sum(
            v for k, v in found.timings_ms.items() if k not in ("network", "read")
        )
    return record
