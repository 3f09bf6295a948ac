"""What a result rests on, in one word and its reasons.

- *measured*: the images decided the geometry, the cameras are known, and what was told of them
  agrees with what the images show, within the errors of both;
- *guessed*: something rests on the network alone, on a nominal camera, or on a word that the images
  speak against. Expected errors are wider, or missing, and say so.

What rests on nothing is refused: an error instead of a result.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from lunar_runtime.inference.maps import ESTIMATED, NOMINAL, Maps
from lunar_runtime.inference.result import RefinedView, Refinement
from lunar_runtime.refinement.plane_twin import LEAST_RIVAL

Verdict = Literal["measured", "guessed"]

# Of a view. Strips of 128 × 512 px that overlap by a fifth end at 0: their pose is too uncertain to
# decide a pixel, and depth errs by 1 to 17 %. 83 whole StereoLunar and rendered views that are not
# flat: 0.34 up.
_LEAST_DECIDED = 0.05
# Relative error of the prior. Below, ground is so flat that a pixel counts as decided only where
# the images tell its depth to 0.1 %. What they show they bear out all the same: a view decided to
# 3 % had its depths right to 0.04 %.
_FLAT = 0.005

# Of the images through the surface. Of 84 clean pairs the dimmest have 0.41 to 0.51, with 0.07 to
# 0.12 px, another one 0.31, and their errors are within the expected ones. Darkened images, which
# have 0.31 and miss a third more of the hazards, are told by their grey levels; stripes of gain
# have 0.16.
_LEAST_ALIKE = 0.25
# Clean pairs have up to 0.044 (oblique views), two film frames of Apollo 0.05. Dust and stripes
# that cost a fifth of the hazards have 0.30 and 0.34, a gain of ±10 % that costs 4 % of them 0.11.
_MOST_UNEVEN = 0.07
# Of a view, what shows detail in both images and matches nowhere. 60 clean pairs have up to 0.0009,
# all but three none. Blocks of 16 to 64 px of another image over 2 to 16 % of the right one have
# 0.002 to 0.1; one such pair missed 13 points more of the hazards.
_MOST_UNMATCHED = 0.005
# Of what neighbours miss their epipolar lines by together: pixels, and pixels for all of the noise
# that images have which correlate by c through the surface, √(1/c² - 1) of their contrast. Clean
# pairs have up to 0.058 px, or 0.09 of the noise (60 rendered ones and StereoLunar's), the dimmest
# 0.11 px at 2.7 times their contrast. A right camera whose focal length is 7 % off left 0.087 px at
# 0.09 of it, film leaves 0.06 at 0.2.
_MOST_PATTERN_PX, _PATTERN_OF_NOISE = 0.05, 0.12
# The same of what single matches miss by, in the median: detail that is gone, or aside. Clean pairs
# have up to 0.065 px, or 0.045 of the noise (72 of StereoLunar and rendered ones); of 60 others one
# has 0.12 px at 0.106 of it, and is right. Six pairs of JPEG 2000 at a twentieth of their bits had
# 0.07 to 0.13 px at 0.09 to 0.14 of it, and missed 12 to 14 points more of the hazards; so have
# images whose pixels were picked, or that sway by rows.
_MOST_MISSED_PX, _MISSED_OF_NOISE = 0.07, 0.12


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
    elif maps.camera_left.source == ESTIMATED:
        reasons.append(
            "nobody told the camera: its focal length is the pair's own word, and its principal "
            "point is taken to be the middle; give `intrinsics`"
        )
    if refinement is not None and refinement.done:
        reasons += _camera_doubts(maps.camera_left.source, refinement)
        reasons += [
            f"the images decide {view.fraction:.0%} of the {side} view"
            for side, view in refinement.views.items()
            if _seen(view) < _LEAST_DECIDED
        ]
        reasons += _match_doubts(refinement)
        reasons += [
            f"the brightness of the images differs by {view.unevenness:.0%} from place to place "
            f"({side} view): stripes, dust or another light, and slopes follow it"
            for side, view in refinement.views.items()
            if view.unevenness > _MOST_UNEVEN
        ]
        reasons += [
            f"{view.unmatched:.1%} of the {side} view shows detail in both images that is not the "
            "same: blocks of another frame, dust, or something that moved"
            for side, view in refinement.views.items()
            if view.unmatched > _MOST_UNMATCHED
        ]
    reasons += doubts
    return Judgement("guessed" if reasons else "measured", tuple(reasons))


def _seen(view: RefinedView) -> float:
    """Share of a view that the images speak for."""
    return view.fraction if view.prior_sigma > _FLAT else max(view.fraction, view.overlap)


def _match_doubts(refinement: Refinement) -> list[str]:
    alike = refinement.alike
    if alike < _LEAST_ALIKE:
        return [f"the images match poorly (correlation {alike:.2f}): dark, noisy or blurred"]
    if refinement.epipolar_px <= max(_MOST_MISSED_PX, _MISSED_OF_NOISE * _noise(alike)):
        return []
    return [
        f"matches miss their epipolar lines by {refinement.epipolar_px:.2f} px, more than the "
        "images' noise does: compressed hard, resampled, or read out while the camera moved"
    ]


def _noise(alike: float) -> float:
    """Of the images, in their contrast, whose correlation through the surface is `alike`."""
    return math.sqrt(max(1 / max(alike, _LEAST_ALIKE) ** 2 - 1, 0.0))


def _pattern_doubts(refinement: Refinement) -> list[str]:
    """No number of the cameras alone explains it."""
    noise = _noise(refinement.alike)
    if refinement.pattern_px <= max(_MOST_PATTERN_PX, _PATTERN_OF_NOISE * noise):
        return []
    return [
        f"neighbouring matches miss their epipolar lines together by {refinement.pattern_px:.2f} "
        "px, more than noise does: are both cameras and their lenses as told?"
    ]


def _camera_doubts(source: str, refinement: Refinement) -> list[str]:
    """What is surest to be wrong with the cameras; one wrong number makes others look wrong."""
    known = [one for one in refinement.misfits if source != NOMINAL or one.number != "focal"]
    words = [known[0].words()] if known else []
    if not known and source not in (NOMINAL, ESTIMATED):
        words += _pattern_doubts(refinement)
    rival = refinement.rival_pose
    if rival is not None and rival < LEAST_RIVAL:
        words.append(
            "another camera pose explains the images as well: on ground this flat two do; tell "
            "the pose in the rig"
        )
    return words
