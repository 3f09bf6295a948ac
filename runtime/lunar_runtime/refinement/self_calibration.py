"""The focal length from the pair itself, where the camera turned between the images.

Dense matches hardly depend on the focal length that they were looked for with; their fit to
epipolar lines does. So a few rounds of coarse matching, each with the focal length that the last
one asks for, settle it, with its error. A camera that only moved sideways over flat ground tells
nothing of its focal length; the error then says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.epipolar import MatchedRays
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import NotRefinedError
from lunar_runtime.refinement.first_pose import features_of, find_first_pose
from lunar_runtime.refinement.fitted_matches import focal_evidence
from lunar_runtime.refinement.matching import Features
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose
from lunar_runtime.refinement.solver import DenseSolver
from lunar_runtime.refinement.surface import NetworkGuess
from lunar_runtime.refinement.told_numbers import rescaled

#: Relative error of a focal length up to which it is an estimate; above, the camera is nominal.
SURE = 0.03

_ROUNDS = 4
_STEPS = 12
_LARGEST_STEP = 0.25
_SETTLED = 0.002


class FocalEstimate(NamedTuple):
    """A focal length found from a pair.

    Attributes:
        ratio: To the one that the pair came with.
        sigma: Relative standard deviation.
    """

    ratio: float
    sigma: float


def estimate_focal(
    pair: Pair, network: NetworkGuess | None, features: Features | None = None
) -> FocalEstimate | None:
    """Find the focal length that explains a pair's matches.

    Args:
        pair: Both cameras of one focal length, which is the first guess: 0.6 to 1.5 times the true
            one is near enough.
        network: What the network says of the pair.
        features: Of the pair's images, where some may have been found before.

    Returns:
        None where the images do not match.
    """
    features = features or features_of(pair)
    ratio, sigma = 1.0, np.inf
    for _ in range(_ROUNDS):
        try:
            rays, fit = _coarse_matches(pair.with_focal(ratio, "nominal"), network, features)
        except NotRefinedError:
            return None
        change, sigma = _settle(rays, fit)
        ratio *= change
        if sigma > SURE or abs(change - 1) < sigma / 4:
            break
    return FocalEstimate(ratio, sigma)


def _coarse_matches(
    pair: Pair, network: NetworkGuess | None, features: Features
) -> tuple[MatchedRays, PoseFit]:
    first = find_first_pose(pair, network, None, halved=False, features=features)
    coarse = DenseSolver(pair, network).coarser()
    surface = coarse.through_matches(first.inliers, first.poses[0])
    fit, rays, _ = coarse.fit_pose(first.poses, coarse.match(first.poses[0], surface))
    return rays, fit


def _settle(rays: MatchedRays, fit: PoseFit) -> FocalEstimate:
    """The change of the focal length that the matches ask for, the pose following it."""
    ratio = 1.0
    asked, sigma = focal_evidence(rays, fit)
    for _ in range(_STEPS):
        step = float(np.clip(asked, 1 - _LARGEST_STEP, 1 + _LARGEST_STEP))
        if sigma > 1 or abs(step - 1) < _SETTLED:
            break
        ratio *= step
        rays = rescaled(rays, step)
        fit = fit_pose(rays, fit.pose, iterations=20)
        asked, sigma = focal_evidence(rays, fit)
    return FocalEstimate(ratio, sigma)
