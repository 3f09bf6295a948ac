"""From known lengths to metres: each makes a scale with its error, and all that are known one.

An altitude stands over a plane, whose place moves with the surface's errors. A baseline is the unit
of those errors. So the two err differently, and their mean by variance errs less. Where they are
farther apart than both allow, one of them is wrong and nothing tells which: the error grows to hold
both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.geometry.scale import (
    Scale,
    altitude_errors,
    relative_scale,
    scale_from_altitude,
    scale_from_baseline,
    scale_from_rig,
)
from lunar_runtime.inference.expected_error import ExpectedError
from lunar_runtime.inference.maps import NOMINAL, Maps, PointMap
from lunar_runtime.inference.notes import Notes, relative_because
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Refinement

# Errors of the plane beside what all depths share have long tails: of 59 StereoLunar and rendered
# pairs the altitude's scale was off by half of what the draws say in the median, by three times
# that on oblique views.
_TAILS = 1.7
_THIN = 4  # every fourth of the draws' pixels tells what they share
# Beside the draws a plane is as steady as the ground is even, and seen from the side its tilt goes
# into the height. Times the tangent of that angle: of 12 rendered pairs heights were 0.05 % farther
# off than depths in the median, 0.26 and 0.4 % on two, the latter seen at 34 degrees.
_UNEVEN = 0.003
#: Of a told altitude, as told numbers of cameras have theirs: taken as exact, a scale had 0.06 % of
#: error where the told altitude was another camera's by 0.2 %.
ALTIMETER = 5e-4


class Metres(NamedTuple):
    """What makes a pair's lengths metres, if anything does.

    Attributes:
        scale: With its sigma, where the images decided the geometry.
        errors: (N,) relative, what the unit errs by in every draw beside a baseline; None = there
            are no draws, or no scale.
        beside: Relative error of all depths that the draws do not have.
    """

    scale: Scale
    errors: NDArray[np.float64] | None = None
    beside: float = 0.0

    def of(self, found: PointMap) -> PointMap:
        """A pointmap in metres, or as it is."""
        points = np.asarray(found.points * np.float32(self.scale.factor), np.float32)
        expected = found.expected
        if expected is not None and self.errors is not None:
            expected = expected.rescaled(self.errors).widened(self.beside)
        return replace(found, points=points, expected=expected)


def find_metres(
    maps: Maps,
    plane: Plane | None,
    options: InferOptions,
    rig: Rig,
    refinement: Refinement | None,
) -> tuple[Metres, Notes]:
    """The scale that the known lengths make.

    Args:
        maps: In one arbitrary unit.
        plane: The scene's; an altitude stands over it.
        options: May have an altitude and a baseline.
        rig: May have a pose, whose baseline counts where none is given.
        refinement: How the images refined the maps; None = nobody asked.

    Raises:
        InputError: A length cannot fix the scale.
    """
    known_pose = rig.right_from_left is not None
    asked = options.altitude_m is not None or options.baseline_m is not None or known_pose
    missing = _why_no_metres(maps, refinement)
    if missing and asked:
        return Metres(relative_scale()), Notes.warn(relative_because(missing))
    notes = Notes()
    found: list[Metres] = []
    if options.altitude_m is not None and plane is not None:
        found.append(_by_altitude(maps.left, plane, options.altitude_m))
    if options.baseline_m is not None or known_pose:
        if refinement is not None and maps.pose is not None:
            found.append(_by_baseline(maps, options, rig))
        elif not found:
            notes += Notes.warn(
                relative_because(
                    "only the network says where the right camera is, so a baseline makes no "
                    "metres; give `altitude_m`, or refine the pair (`refine` auto)"
                )
            )
    if not found:
        return Metres(relative_scale()), notes
    expected = maps.left.expected
    if len(found) == 1 or expected is None:
        return found[0], notes
    return _combined(found[0], found[1], expected), notes


def _why_no_metres(maps: Maps, refinement: Refinement | None) -> str | None:
    """Why no known length makes metres of a result; None where one may.

    Of a network that was asked for alone the plane is taken at its word, and the verdict says so.
    """
    if refinement is not None and not refinement.done:
        return "the images did not decide the geometry, and the network's word fixes no metres"
    if refinement is not None and maps.camera_left.source == NOMINAL:
        return "the focal length is not known; give intrinsics, or a rig with them"
    return None


def _by_altitude(found: PointMap, plane: Plane, altitude_m: float) -> Metres:
    scale, expected = scale_from_altitude(plane, altitude_m), found.expected
    if expected is None:
        return Metres(scale)
    draws = expected.draws[:, ::_THIN, ::_THIN]
    points = found.points[:: 2 * _THIN, :: 2 * _THIN]
    errors = altitude_errors(points, draws, plane)
    shared = np.mean(draws, axis=(1, 2), dtype=np.float64)
    errors = shared + _TAILS * (errors - shared)  # what all depths share goes exactly
    aside = math.acos(min(1.0, abs(float(plane.normal[2]))))
    beside = math.hypot(_UNEVEN * math.tan(aside), ALTIMETER, _hidden(points, plane))
    return _told(Metres(scale, errors, beside), expected)


def _hidden(points: NDArray[np.float32], plane: Plane) -> float:
    """What the plane's height may be off by for ground that is not seen: its share, by the relief.

    It is the plane of all ground in view that an altitude stands over.
    """
    seen = points[np.isfinite(points).all(axis=-1)]
    if not len(seen):
        return 0.0
    relief = robust_sigma(plane.height(seen)) / plane.camera_height
    return relief * (1 - len(seen) / (points.size // 3))


def _by_baseline(maps: Maps, options: InferOptions, rig: Rig) -> Metres:
    assert maps.pose is not None
    median_depth = float(np.nanmedian(maps.left.points[..., 2]))
    depth = median_depth if median_depth > 0 else None
    pose = maps.pose.right_from_left
    if options.baseline_m is not None:
        scale = scale_from_baseline(pose, options.baseline_m, median_depth=depth)
    else:
        assert rig.right_from_left is not None
        scale = scale_from_rig(pose, rig.right_from_left, median_depth=depth)
    expected = maps.left.expected
    if expected is None:
        return Metres(scale)
    unmoved = np.zeros(len(expected.draws))
    return _told(Metres(scale, unmoved, expected.metres_sigma), expected)


def _told(metres: Metres, expected: ExpectedError) -> Metres:
    """With its sigma in the scale."""
    assert metres.errors is not None
    shared = expected.rescaled(metres.errors).shared()
    return metres._replace(scale=replace(metres.scale, sigma=math.hypot(shared, metres.beside)))


def _combined(altitude: Metres, baseline: Metres, expected: ExpectedError) -> Metres:
    """The mean of both by variance, with an error that holds both where they disagree."""
    assert altitude.errors is not None
    one, other = altitude.scale.sigma, baseline.scale.sigma
    assert one is not None
    assert other is not None
    weight = other**2 / max(one**2 + other**2, 1e-30)
    away = math.log(altitude.scale.factor / baseline.scale.factor)
    drawn = float(np.sqrt(np.mean(altitude.errors**2)))
    allowed = math.hypot(drawn, math.hypot(altitude.beside, baseline.beside))
    apart = abs(away) * max(weight, 1 - weight) if abs(away) > allowed else 0.0
    first, second = (altitude, baseline) if weight > 0.5 else (baseline, altitude)
    scale = Scale(
        baseline.scale.factor * math.exp(weight * away),
        first.scale.source,
        other=second.scale.source,
    )
    own = math.hypot(weight * altitude.beside, (1 - weight) * baseline.beside)
    beside = math.hypot(own, apart)
    return _told(Metres(scale, weight * altitude.errors, beside), expected)
