"""What the numbers of told cameras may be off by, once the images had their say."""

from __future__ import annotations

import math

# Of the numbers that are told: what a camera that was calibrated on the ground may be off by in
# flight. The images narrow it where they can. With five times as much, 90 % of the depths of
# StereoLunar's pairs with right cameras and no pose were within one sigma; with none, 77.
_TOLD: dict[str, float] = {
    "focal": 0.002,
    "centre_x": 0.001,
    "centre_y": 0.001,
    "zoom": 0.0005,
    "lens": 0.001,
}
# Of a number's own errors: a change that the images ask for beyond it widens what was told. With
# the right cameras 9 of 200 numbers are beyond it, half of them of ground seen from above.
_QUIET = 2.0


def left_open(number: str, change: float, sigma: float) -> float:
    """What a told number may be off by, after the images: root mean square.

    Args:
        number: Of the camera, a `CameraNumber`.
        change: That the images ask for.
        sigma: Its standard deviation.
    """
    told = max(_TOLD[number], abs(change) - _QUIET * sigma)
    asked = change * told**2 / (told**2 + sigma**2)
    return math.hypot(1 / math.hypot(1 / told, 1 / sigma), asked)
