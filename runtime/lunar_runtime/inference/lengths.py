"""Known lengths against each other: altitude, baseline and the rig's baseline make one scale."""

from __future__ import annotations

import numpy as np

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import Scale, scale_from_altitude
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.options import InferOptions

# A plane over tilted ground tells the altitude to some percent; a pose its baseline far better.
_APART = 0.05
_CONTRADICT = 2.0
# Of the scale, relative. Of 176 clean runs of 512 px, told the rig, a baseline or an altitude, none
# has more than 0.033, of 197 of 256 px two have. Metres of a plain seen from straight above, whose
# pose nobody told, were 7 % off, at one sigma.
_MOST_SIGMA = 0.04


def doubt_lengths(
    maps: Maps, plane: Plane | None, options: InferOptions, rig: Rig
) -> tuple[str, ...]:
    """What the lengths that are known say against each other.

    Args:
        maps: With a pose that the images found.
        plane: The scene's.
        options: May have an altitude and a baseline.
        rig: May have a pose.

    Raises:
        InputError: One makes the scene twice as large as another.
    """
    factors: dict[str, float] = {}
    if plane is not None and options.altitude_m is not None:
        factors["the altitude"] = scale_from_altitude(plane, options.altitude_m).factor
    if maps.pose is not None:
        length = float(np.linalg.norm(maps.pose.right_from_left[:3, 3]))
        told = 0.0 if rig.right_from_left is None else np.linalg.norm(rig.right_from_left[:3, 3])
        if options.baseline_m is not None:
            factors["the baseline"] = options.baseline_m / length
        if told > 0:
            factors["the rig's pose"] = float(told) / length
    if len(factors) < 2:
        return ()
    small, large = min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__)
    ratio = factors[large] / factors[small]
    if ratio > _CONTRADICT:
        raise InputError(
            f"{large} makes the scene {ratio:.3g} times as large as {small} does; check which of "
            "them is right, and that both are metres"
        )
    if ratio > 1 + _APART:
        return (f"{large} makes the scene {ratio - 1:.0%} larger than {small} does",)
    return ()


def doubt_scale(scale: Scale) -> tuple[str, ...]:
    """Metres that are known too badly to be called measured, by their own error."""
    if scale.sigma is None or scale.sigma <= _MOST_SIGMA:
        return ()
    return (
        f"metres are known to {scale.sigma:.0%} only; give the rig's pose, or a baseline and an "
        "altitude",
    )
