"""Monitors that need an earlier pair or another instrument: frozen images, the altimeter."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.result import StereoResult

# Of the result's height over the plane against the altimeter's, beside the errors of both. Between
# a plane through the view and the ground below the camera there is the relief.
_ALIKE = 0.10
_SIGMAS = 3.0


class Altimeter(NamedTuple):
    """What an altimeter says when a pair is taken.

    Attributes:
        height_m: Of the left camera above the scene's plane.
        sigma_m: Its standard deviation.
    """

    height_m: float
    sigma_m: float = 0.0


class Sequence:
    """Watches the pairs of one vehicle.

    Args:
        in_order: The pairs come in the order in which they were taken, so that images may be
            compared with those of the pair before.
    """

    def __init__(self, *, in_order: bool = True) -> None:
        self._in_order = in_order
        self._last: tuple[int, int] | None = None

    def watch(self, result: StereoResult, altimeter: Altimeter | None = None) -> StereoResult:
        """The result with what these monitors saw; what they see makes it a guess.

        Args:
            result: Of the next pair.
            altimeter: Beside it; None = there is none.
        """
        alarms: tuple[Alarm, ...] = ()
        if (
            result.flown is None or result.flown.age_s is None
        ):  # else the images are old, and said so
            alarms += self._frozen(result) if self._in_order else ()
            alarms += () if altimeter is None else watch_altimeter(result, altimeter)
        if not alarms:
            return result
        return replace(
            result,
            verdict="guessed",
            verdict_reasons=(*result.verdict_reasons, *(alarm.saw for alarm in alarms)),
            alarms=(*result.alarms, *alarms),
        )

    def _frozen(self, result: StereoResult) -> tuple[Alarm, ...]:
        now = _sum(result.left.source.pixels), _sum(result.right.source.pixels)
        last, self._last = self._last, now
        if last is None:
            return ()
        same = [side for side, a, b in zip(("left", "right"), last, now, strict=True) if a == b]
        if not same:
            return ()
        return (Alarm("frozen", f"the {' and the '.join(same)} image is that of the pair before"),)


def watch_altimeter(result: StereoResult, altimeter: Altimeter) -> tuple[Alarm, ...]:
    """Compare the height over the scene's plane with the altimeter's.

    Says nothing of a result without metres. Where an altitude was told the scale is its own, and
    what is compared is that altitude.
    """
    if result.plane is None or result.unit != "m":
        return ()
    height_m = result.plane.camera_height
    sigma = math.hypot(result.scale.sigma or 0.0, altimeter.sigma_m / altimeter.height_m)
    apart = abs(math.log(height_m / altimeter.height_m)) if height_m > 0 else math.inf
    if apart <= _ALIKE + _SIGMAS * sigma:
        return ()
    return (
        Alarm(
            "scale",
            f"the left camera is {height_m:.6g} m above the ground's plane, and the altimeter says "
            f"{altimeter.height_m:.6g} m",
        ),
    )


def _sum(pixels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).data)
