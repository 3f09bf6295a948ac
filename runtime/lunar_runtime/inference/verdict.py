"""What a result rests on, in one word and its reasons.

- *measured*: the images decided the geometry, the cameras are known, and what was told of them
  agrees with what the images show, within the errors of both;
- *guessed*: something rests on the network alone, on a nominal camera, or on a word that the images
  speak against. Expected errors are wider, or missing, and say so.

What rests on nothing is refused: an error instead of a result.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from lunar_runtime.inference.maps import NOMINAL, Maps
from lunar_runtime.inference.result import Refinement

Verdict = Literal["measured", "guessed"]

# Of a view. Strips of 128 × 512 px that overlap by a fifth end at 0: their pose is too uncertain to
# decide a pixel, and depth errs by 1 to 17 %. 36 whole StereoLunar and rendered views: 0.23 up.
_LEAST_DECIDED = 0.05


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
    reasons += doubts
    return Judgement("guessed" if reasons else "measured", tuple(reasons))


def _camera_doubts(source: str, refinement: Refinement) -> list[str]:
    """What is surest to be wrong with the cameras; one wrong number makes others look wrong."""
    known = [one for one in refinement.misfits if source != NOMINAL or one.number != "focal"]
    return [known[0].words()] if known else []
