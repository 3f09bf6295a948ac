"""What the images do not decide in a view, and whether hazards may be missed there.

Beyond the overlap and in shadow the network's relief carries the surface, on a plane. It is
flatter than the ground. Expected errors say so pixel by pixel; here is what that makes of a view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.robust import middle
from lunar_runtime.inference.hazard import chance_steeper
from lunar_runtime.inference.result import RefinedView, Refinement, Side, UpEstimate, ViewResult

# Of the slopes' own errors where the images decide, up's apart: of 36 clean pairs one has 3.5
# degrees, the others up to 3.1; what is left of views that are a fifth to a third sky 4.1 to 15.
_MOST_SLOPE_SIGMA_DEG = 4.0
_HAZARD_DEG = 15.0
# Of the ground in a view, what the images do not decide and may be steep, by one sigma. Whole pairs
# have up to 0.25, one without a rig 0.32, and the images decide as little as 0.34 of them; a dark
# one had 0.37 and missed 35 points more of the hazards.
_MOST_MAY_BE_STEEP = 0.3
# Where ground is covered in one image, it is not decided in the other, beside what the view lost.
# With 9 to 27 % covered and 0.49 to 0.57 decided, four views missed 10 to 25 points more, and had
# 0.077 to 0.112 that may be steep. With more decided, six of seven missed up to 5 points more.
_MOST_COVERED, _LEAST_BESIDE, _MOST_BESIDE = 0.05, 0.6, 0.05
# Of a view, what both images would show but for their masks; and of the ground that is expected to
# be steep, what is called flat where the images do not decide. Beyond both, seven of 17 views
# missed 11 to 42 points more of the hazards; of 35 within none, of those of another seed one.
_MOST_HIDDEN, _MOST_UNSEEN = 0.09, 0.05
_THIN = 3  # of the pixels along a row or column that are looked at
# The shorter side's field of view, degrees. Networks are trained on views of 45 degrees. Windows
# and strips of 12 to 31 degrees, decided to 0.07 to 0.58, missed 13 to 79 points more of the
# hazards.
NARROW_DEG, _LEAST_OF_NARROW = 35.0, 0.65


# Of parallax, pixels and matches' errors, that relief makes. Copies of one image, shifted or
# enlarged, have 0.012 to 0.038 px and 1.4 to 5.1 errors; those of a dim image with noise up to
# 0.073 px, and are not told from ground: of 78 rendered pairs the flattest have 0.045,
# 0.048 and 0.050 px.
_LEAST_RELIEF_PX, _LEAST_RELIEF_ERRORS = 0.040, 5.5


def doubt_relief(refinement: Refinement, cameras: Mapping[Side, Intrinsics]) -> tuple[str, ...]:
    """Images that differ as those of a plane do, without a word on where the cameras stood.

    Copies of one image are like that. Of a plane, moreover, the pose is told badly.

    Args:
        refinement: What the two images made of the views.
        cameras: Of the views, pixels of them.
    """
    for side, view in refinement.views.items():
        parallax_px = math.radians(refinement.parallax_deg) * cameras[side].fx
        relief_px = view.prior_sigma * parallax_px
        if relief_px < min(_LEAST_RELIEF_PX, _LEAST_RELIEF_ERRORS * refinement.epipolar_px):
            return (
                f"the images differ by a plane's motion ({relief_px:.2f} px beside it): one image "
                "shifted, turned or enlarged, or ground too flat to tell the pose; give the rig's",
            )
    return ()


def doubt_undecided(
    views: Mapping[Side, ViewResult],
    cameras: Mapping[Side, Intrinsics],
    up: UpEstimate,
    seen: Mapping[Side, RefinedView],
) -> tuple[str, ...]:
    """Slopes that tell little: by their own expected errors, or as the images decide too few.

    Args:
        views: The results.
        cameras: Of the views, pixels of them.
        up: Whose error is no doubt of its own here.
        seen: What the two images made of the views.
    """
    doubts = []
    most = math.hypot(_MOST_SLOPE_SIGMA_DEG, up.sigma_deg)
    for side, view in views.items():
        if view.slope_sigma is None or view.refined is None:
            continue
        known = view.slope_sigma[view.refined & np.isfinite(view.slope_sigma)]
        typical = middle(known) if known.size else 0.0
        if typical > most:
            doubts.append(f"slopes of the {side} view are expected to be {typical:.0f} degrees off")
        doubts += _hazards(side, view, cameras[side], seen[side].hidden if side in seen else 0.0)
    return tuple(doubts)


def _hazards(side: Side, view: ViewResult, camera: Intrinsics, hidden: float) -> list[str]:
    assert view.refined is not None and view.slope_sigma is not None
    ground = np.isfinite(view.slope)
    count = max(1, int(np.count_nonzero(ground)))
    steeper = view.slope + view.slope_sigma
    may_be = ~view.refined & (view.slope < _HAZARD_DEG) & (steeper > _HAZARD_DEG)
    decided = int(np.count_nonzero(view.refined & ground)) / count
    steep = int(np.count_nonzero(may_be)) / count
    height, width = view.depth.shape
    field_deg = camera.field_deg((height, width))
    if field_deg < NARROW_DEG and decided < _LEAST_OF_NARROW:
        return [
            f"the images decide {decided:.0%} of the {side} view, which is {field_deg:.0f} degrees "
            "wide; what carries the rest is known for wider views only"
        ]
    if steep > _MOST_MAY_BE_STEEP:
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
    unseen = _unseen(view) if hidden > _MOST_HIDDEN else 0.0
    if unseen > _MOST_UNSEEN:
        return [
            f"masks hide {hidden:.0%} of the {side} view that both images would show; beside them "
            f"and beyond the overlap {unseen:.0%} of the steep ground is expected to look flat"
        ]
    return []


def _unseen(view: ViewResult) -> float:
    """Of the ground expected to be steep, what is called flat and the images do not decide."""
    assert view.refined is not None and view.slope_sigma is not None
    thin = (slice(None, None, _THIN),) * 2
    slope, sigma, refined = view.slope[thin], view.slope_sigma[thin], view.refined[thin]
    known = np.isfinite(slope) & np.isfinite(sigma)
    steep = chance_steeper(slope[known], sigma[known], _HAZARD_DEG)
    missed = ~refined[known] & (slope[known] < _HAZARD_DEG)
    return float(np.sum(steep[missed]) / max(float(np.sum(steep)), 1.0))
