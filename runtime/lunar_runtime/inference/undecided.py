"""What the images do not decide in a view, and whether hazards may be missed there.

Beyond the overlap and in shadow the network's relief carries the surface, on a plane. It is
flatter than the ground. Expected errors say so pixel by pixel; here is what that makes of a view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.inference.result import RefinedView, Side, UpEstimate, ViewResult

# Of the slopes' own errors where the images decide, up's apart: of 36 clean pairs one has 3.5
# degrees, the others up to 3.1; what is left of views that are a fifth to a third sky 4.1 to 15.
_MOST_SLOPE_SIGMA_DEG = 4.0
_HAZARD_DEG = 15.0
# Of the ground in a view: what the images decide, and what they do not decide and may be steep, by
# one sigma. Of 84 whole StereoLunar and rendered pairs those that are not flat have 0.34 and 0.040,
# or more than 0.49. Views cut down to 0.29 to 0.42 have 0.07 to 0.22, and missed 12 to 79 points
# more of the hazards.
_LEAST_OF_GROUND, _MOST_MAY_BE_STEEP = 0.45, 0.045
# Whatever they decide: whole pairs have up to 0.16; a dark one had 0.37 and missed 35 points more.
_MOST_OF_ANY = 0.25
# Where ground is covered in one image, it is not decided in the other, beside what the view lost.
# With 9 to 27 % covered and 0.49 to 0.57 decided, four views missed 10 to 25 points more, and had
# 0.077 to 0.112 that may be steep. With more decided, six of seven missed up to 5 points more.
_MOST_COVERED, _LEAST_BESIDE, _MOST_BESIDE = 0.05, 0.6, 0.05
# The shorter side's field of view, degrees. Networks are trained on views of 45 degrees. Windows
# and strips of 14 to 25 degrees, decided to 0.07 to 0.58, missed 13 to 79 points more of the
# hazards.
_NARROW_DEG, _LEAST_OF_NARROW = 30.0, 0.65
# Relative error of the prior. Below, ground is so flat that a pixel counts as decided only where
# the images tell its depth to 0.1 %. What they show they bear out all the same: a view decided to
# 3 % had its depths right to 0.04 %; three more of 84 pairs are decided to less than they show.
_FLAT = 0.005


def seen_share(decided: float, view: RefinedView | None) -> float:
    """Share of a view, or of its ground, that the images speak for.

    Args:
        decided: What they decide of it.
        view: How it was refined; None = not.
    """
    if view is None or view.prior_sigma > _FLAT:
        return decided
    return max(decided, view.overlap)


def doubt_undecided(
    views: Mapping[Side, ViewResult],
    refined: Mapping[Side, RefinedView],
    cameras: Mapping[Side, Intrinsics],
    up: UpEstimate,
) -> tuple[str, ...]:
    """Slopes that tell little: by their own expected errors, or as the images decide too few.

    Args:
        views: The results.
        refined: How the images refined them; empty = not.
        cameras: Of the views, pixels of them.
        up: Whose error is no doubt of its own here.
    """
    doubts = []
    most = math.hypot(_MOST_SLOPE_SIGMA_DEG, up.sigma_deg)
    for side, view in views.items():
        if view.slope_sigma is None or view.refined is None:
            continue
        known = view.slope_sigma[view.refined & np.isfinite(view.slope_sigma)]
        if known.size and float(np.median(known)) > most:
            doubts.append(
                f"slopes of the {side} view are expected to be {np.median(known):.0f} degrees off"
            )
        doubts += _hazards(side, view, refined.get(side), cameras[side])
    return tuple(doubts)


def _hazards(
    side: Side, view: ViewResult, how: RefinedView | None, camera: Intrinsics
) -> list[str]:
    assert view.refined is not None and view.slope_sigma is not None
    ground = np.isfinite(view.slope)
    count = max(1, int(np.count_nonzero(ground)))
    steeper = view.slope + view.slope_sigma
    may_be = ~view.refined & (view.slope < _HAZARD_DEG) & (steeper > _HAZARD_DEG)
    decided = int(np.count_nonzero(view.refined & ground)) / count
    steep = int(np.count_nonzero(may_be)) / count
    seen = seen_share(decided, how)
    field_deg = _field_deg(view.depth.shape, camera)
    if field_deg < _NARROW_DEG and decided < _LEAST_OF_NARROW:
        return [
            f"the images decide {decided:.0%} of the {side} view, which is {field_deg:.0f} degrees "
            "wide; what carries the rest is known for wider views only"
        ]
    if steep > (_MOST_MAY_BE_STEEP if seen < _LEAST_OF_GROUND else _MOST_OF_ANY):
        return [
            f"the images decide {decided:.0%} of the ground in the {side} view, and {steep:.0%} "
            "that they do not decide may be steep"
        ]
    covered = float(np.mean(np.isnan(view.confidence)))
    if covered > _MOST_COVERED and decided < _LEAST_BESIDE and steep > _MOST_BESIDE:
        return [
            f"{covered:.0%} of the {side} view shows no ground; the images decide {decided:.0%} of "
            f"the rest, and {steep:.0%} that they do not decide may be steep"
        ]
    return []


def _field_deg(shape: tuple[int, ...], camera: Intrinsics) -> float:
    """Of the side that has less."""
    fields = (
        2 * math.atan2(size / 2, f) for size, f in zip(shape, (camera.fy, camera.fx), strict=True)
    )
    return math.degrees(min(fields))
