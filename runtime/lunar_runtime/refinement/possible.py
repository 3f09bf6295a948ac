"""Values that no computation gives: what a flipped bit in memory makes of the refinement's arrays.

They live for milliseconds and nobody holds a copy of them. But what passes from step to step is
bounded: a trust is a share, matches lie in the image, slack has a least value, and a surface is
smooth. One value beyond moves the slopes of a whole view, since the plate joins all of it.
"""

from __future__ import annotations

import numpy as np

from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.dense_match import Flow

# Between neighbouring nodes, over the surface's largest inverse depth: so much, or so many widths
# of the grid. 5600 surfaces of 178 clean pairs have 0.41 at most on grids of 16 nodes a side, 0.20
# on 32, 0.09 on 64, 0.058 on 128, 0.038 on 256; a window of 160 px with a wrong principal point has
# 0.28 on 80. An exponent's bit makes it 0.5 and more.
_MOST_STEP, _MOST_WIDTHS = 0.15, 32
# Exactly 1 / sqrt(2) where the plate bends least, 122 at most.
_SLACK = 0.7, 1e4


class SpoiltError(Exception):
    """A value that no computation gives; whoever catches it computes the pair again."""


def require_flow(flow: Flow, right: tuple[int, int]) -> None:
    """Refuse matches that no matching gives.

    Args:
        flow: Between the images.
        right: Height and width of the right one.

    Raises:
        SpoiltError: A trust is no share, a match is not in the right image, or the surface is none.
    """
    for values, end in zip((flow.v, flow.u), right, strict=True):
        if not (float(values.min()) >= 0 and float(values.max()) <= end):
            raise SpoiltError("a match beyond the right image")
    least, most = float(flow.trust.min()), float(flow.trust.max())
    if not (least >= 0 and most <= 1):
        raise SpoiltError(f"a trust of {most if least >= 0 else least:.3g} in the flow")
    require_surface(flow.surface)


def require_round(surface: Field, prior: Field, slack: Field) -> None:
    """Refuse what a round of flow never leaves: inverse depths that are not smooth, and slack.

    Raises:
        SpoiltError: A value is out of range.
    """
    require_surface(surface)
    require_surface(prior)
    require_slack(slack)


def require_surface(surface: Field) -> None:
    """Refuse a surface that is not smooth.

    Args:
        surface: (h, w) inverse depth on a plate's grid.

    Raises:
        SpoiltError: A value is far from the one beside it, or not finite.
    """
    largest = float(np.abs(surface).max())
    step = max(float(np.abs(np.diff(surface, axis=axis)).max()) for axis in (0, 1))
    if not step <= max(_MOST_STEP, _MOST_WIDTHS / min(surface.shape)) * largest < np.inf:
        raise SpoiltError("an inverse depth far from the one beside it")


def require_slack(slack: Field) -> None:
    """Refuse a plate that is stiffer or looser than any.

    Raises:
        SpoiltError: A value is out of range.
    """
    least, most = _SLACK
    if not (float(slack.min()) >= least and float(slack.max()) <= most):
        raise SpoiltError("a plate without stiffness")
