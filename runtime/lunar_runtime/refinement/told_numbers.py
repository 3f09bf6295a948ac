"""The numbers of told cameras: what they may be off by, once the images had their say.

Convention: a number changes both cameras alike, but for the right one's zoom.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np

from lunar_runtime.geometry.epipolar import MatchedRays

#: A number of the cameras: the focal length, the principal point along x and along y, the focal
#: length of the right camera alone, the lens' k1.
CameraNumber = Literal["focal", "centre_x", "centre_y", "zoom", "lens"]

#: Of the numbers that are told: what a camera that was calibrated on the ground may be off by in
#: flight. The images narrow it where they can. With five times as much, 90 % of the depths of
#: StereoLunar's pairs with right cameras and no pose were within one sigma; with none, 77.
TOLD: dict[CameraNumber, float] = {
    "focal": 0.002,
    "centre_x": 0.001,
    "centre_y": 0.001,
    "zoom": 0.0005,
    "lens": 0.001,
}
# Of a number's own errors: a change that the images ask for beyond it widens what was told. With
# the right cameras 9 of 200 numbers are beyond it, half of them of ground seen from above.
_QUIET = 2.0
# Of a focal length: told no better, images do not test it. 58 of 81 clean pairs without a pose tell
# it to 0.06 to 6 %, the others, seen straight down, not at all.
_TESTED = 0.1
# Of a focal length that nothing tests, whose whole error is the metres'. Metres by a baseline, of
# ground seen straight down, are right to 0.3 to 0.5 % with the right cameras; a lens of k1 0.09
# that nobody told made them 1.9 % wrong.
_UNTESTED = 0.007
# Of its own errors: a change of the focal length that the images ask for counts in full from 2 on,
# below 1 not at all. With the right cameras 54 of those 58 ask for less than 1.3, two for more than
# 1.5; a focal length 4 % off was asked to change by 2.2, in the right direction.
_ASKED_SIGMAS = 1.0


def left_open(
    number: CameraNumber, change: float, sigma: float, told: float | None = None
) -> float:
    """What a told number may be off by, after the images: root mean square.

    Args:
        number: Of the cameras.
        change: That the images ask for.
        sigma: Its standard deviation.
        told: What it may be off by, before the images; None = nobody said.
    """
    told = max(TOLD[number] if told is None else told, abs(change) - _QUIET * sigma)
    asked = change * told**2 / (told**2 + sigma**2)
    return math.hypot(1 / math.hypot(1 / told, 1 / sigma), asked)


def focal_left_open(change: float, sigma: float, told: float | None) -> tuple[float, float]:
    """What the told focal length may be off by, for what all depths then are off by together.

    A focal length that the images test, and do not contradict, is as told.

    Args:
        change: That the images ask for, relative.
        sigma: Its standard deviation.
        told: What it may be off by, before the images; None = nobody said.

    Returns:
        What is left of what it may be off by as it was told, after the images, root mean square;
        and how much of `change` counts beside.
    """
    tested = sigma < _TESTED
    if told is None:
        told = 0.0 if tested else _UNTESTED
    alone = 1 / math.hypot(1 / told, 1 / sigma) if told > 0 else 0.0
    asked = min(max(abs(change) / sigma - _ASKED_SIGMAS, 0.0), 1.0) if tested else 0.0
    return alone, asked


def changed(rays: MatchedRays, number: CameraNumber, change: float) -> MatchedRays:
    """The same pixels seen with another number of the cameras.

    Args:
        rays: As the cameras are.
        number: What changes.
        change: Relative of `focal` and `zoom`, of the focal length of `centre_x` and `centre_y`,
            k1 of `lens`.
    """
    if number == "focal":
        return rescaled(rays, 1 + change)
    left, right = rays.left.copy(), rays.right.copy()
    if number == "zoom":
        right[:, :2] /= 1 + change
    elif number == "lens":
        for side in (left, right):  # of small bends, the inverse is the opposite
            side[:, :2] *= 1 - change * np.sum(side[:, :2] ** 2, axis=-1, keepdims=True)
    else:
        axis = 0 if number == "centre_x" else 1
        left[:, axis] -= change
        right[:, axis] -= change
    return replace(rays, left=left, right=right)


def rescaled(rays: MatchedRays, ratio: float) -> MatchedRays:
    """The same pixels seen with another focal length."""
    left, right = rays.left.copy(), rays.right.copy()
    left[:, :2] /= ratio
    right[:, :2] /= ratio
    return replace(rays, left=left, right=right, focal_px=rays.focal_px * ratio)
