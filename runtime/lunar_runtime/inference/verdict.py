"""What a result rests on, in one word and its reasons.

- *measured*: the images decided the geometry, the cameras are known, and what was told of them
  agrees with what the images show, within the errors of both;
- *guessed*: something rests on the network alone, on a nominal camera, or on a word that the images
  speak against. Expected errors are wider, or missing, and say so.

What rests on nothing is refused: an error instead of a result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from lunar_runtime.inference.maps import NOMINAL, Maps
from lunar_runtime.inference.result import Refinement, Side, UpEstimate, ViewResult

Verdict = Literal["measured", "guessed"]

# Of a view. Strips of 128 × 512 px that overlap by a fifth end at 0: their pose is too uncertain to
# decide a pixel, and depth errs by 1 to 17 %. 36 whole StereoLunar and rendered views: 0.23 up.
_LEAST_DECIDED = 0.05

# Of the images through the surface. Clean pairs: 0.65 up and 0.06 px down. Darkened to 40 grey
# levels with noise of 1 to 2 they have 0.4 to 0.5 and 0.09 px, and miss a sixth more hazards.
_LEAST_ALIKE, _FARTHEST_PX = 0.55, 0.075
# Clean pairs have up to 0.031 (oblique views), two film frames of Apollo 0.05. Dust and stripes
# that cost a fifth of the hazards have 0.30 and 0.34, a gain of ±10 % that costs 4 % of them 0.11.
_MOST_UNEVEN = 0.07
# Of the slopes' own errors where the images decide, up's apart: of 36 clean pairs one has 3.5
# degrees, the others up to 3.1; what is left of views that are a fifth to a third sky 4.1 to 15.
_MOST_SLOPE_SIGMA_DEG = 4.0
# Of the ground in a view: what the images decide, and what they do not decide and may be steep, by
# one sigma. Of 36 whole pairs none has less than 0.49, and up to 0.14; of flat ground the images
# may decide 0.04, and it is flat all the same. A window of 187 px has 0.26 and 0.044 and misses 34
# points more of the hazards. Views cut down by sky or to a strip that miss 15 to 24 more have 0.5
# to 0.57: these cannot be told from whole ones.
_LEAST_OF_GROUND, _MOST_MAY_BE_STEEP, _HAZARD_DEG = 0.45, 0.03, 15.0


class Judgement(NamedTuple):
    """A verdict and why.

    Attributes:
        verdict: `measured` or `guessed`.
        reasons: Why it is guessed; empty where it is measured.
    """

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(maps: Maps, refinement: Refinement | None, doubts: tuple[str, ...]) -> Judgement:
    """Say what a result rests on.

    Args:
        maps: The pointmaps that it was made of.
        refinement: How the images refined them; None = nobody asked.
        doubts: What else speaks against it, in words.
    """
    reasons = []
    if refinement is None or not refinement.done:
        reasons.append("the geometry is the network's alone")
    if maps.camera_left.source == NOMINAL:
        reasons.append("the focal length is not known")
    if refinement is not None and refinement.done:
        reasons += _camera_doubts(maps.camera_left.source, refinement)
        reasons += [
            f"the images decide {view.fraction:.0%} of the {side} view"
            for side, view in refinement.views.items()
            if view.fraction < _LEAST_DECIDED
        ]
        reasons += _match_doubts(refinement)
        reasons += [
            f"the brightness of the images differs by {view.unevenness:.0%} from place to place "
            f"({side} view): stripes, dust or another light, and slopes follow it"
            for side, view in refinement.views.items()
            if view.unevenness > _MOST_UNEVEN
        ]
    reasons += doubts
    return Judgement("guessed" if reasons else "measured", tuple(reasons))


def _match_doubts(refinement: Refinement) -> list[str]:
    alike = min((view.correlation for view in refinement.views.values()), default=1.0)
    if alike >= _LEAST_ALIKE and refinement.epipolar_px <= _FARTHEST_PX:
        return []
    return [
        f"the images match poorly (correlation {alike:.2f}, {refinement.epipolar_px:.3f} px from "
        "their epipolar lines): dark, noisy or blurred"
    ]


def doubt_slopes(views: Mapping[Side, ViewResult], up: UpEstimate) -> tuple[str, ...]:
    """Slopes that tell little: by their own expected errors, or as the images decide too few."""
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
        ground = np.isfinite(view.slope)
        count = max(1, int(np.count_nonzero(ground)))
        steeper = view.slope + view.slope_sigma
        open_ground = ~view.refined & (view.slope < _HAZARD_DEG) & (steeper > _HAZARD_DEG)
        decided = int(np.count_nonzero(view.refined & ground)) / count
        open_share = int(np.count_nonzero(open_ground)) / count
        if decided < _LEAST_OF_GROUND and open_share > _MOST_MAY_BE_STEEP:
            doubts.append(
                f"the images decide {decided:.0%} of the ground in the {side} view, and "
                f"{open_share:.0%} that they do not decide may be steep"
            )
    return tuple(doubts)


def _camera_doubts(source: str, refinement: Refinement) -> list[str]:
    """What is surest to be wrong with the cameras; one wrong number makes others look wrong."""
    known = [one for one in refinement.misfits if source != NOMINAL or one.number != "focal"]
    return [known[0].words()] if known else []
