"""Views whose hazards rest on more than the images."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.inference.result import RefinedView, Refinement, UpEstimate, ViewResult
from lunar_runtime.inference.undecided import doubt_relief, doubt_undecided

LEVEL = UpEstimate(np.array([0.0, 0.0, -1.0]), "rig")
_SIDE = 20


def view(
    decided: float, may_be_steep: float, covered: float = 0.0, sigma_deg: float = 3.0
) -> ViewResult:
    """Shares of the ground, and of the view that shows none; what may be steep is not decided."""
    one = np.ones((_SIDE, _SIDE), np.float32)
    rank = np.arange(one.size).reshape(one.shape) / one.size
    ground = rank >= covered
    share = (rank - covered) / (1 - covered)
    slope = np.where(share > 1 - may_be_steep, np.float32(13.0), np.float32(5.0))
    nothing = np.float32(np.nan)
    return ViewResult(
        one,
        np.where(ground, slope, nothing),
        np.where(ground, one, nothing),
        one,
        sigma_deg * one,
        ground & (share < decided),
    )


def doubts(
    one: ViewResult, field_deg: float = 45.0, up: UpEstimate = LEVEL, hidden: float = 0.0
) -> tuple[str, ...]:
    focal = _SIDE / 2 / np.tan(np.radians(field_deg / 2))
    camera = Intrinsics(focal, focal, _SIDE / 2, _SIDE / 2)
    seen = RefinedView(0.5, 0.5, 0.9, 0.01, hidden=hidden)
    return doubt_undecided({"left": one}, {"left": camera}, up, {"left": seen})


@pytest.mark.parametrize(
    ("decided", "may_be_steep", "doubted"),
    [(0.4, 0.1, False), (0.4, 0.35, True), (0.6, 0.35, True)],
)
def test_much_undecided_ground_that_may_be_steep_is_a_doubt(
    decided: float, may_be_steep: float, doubted: bool
) -> None:
    """How little the images decide of a whole view says nothing by itself."""
    found = doubts(view(decided, may_be_steep))
    assert bool(found) is doubted
    assert all(f"decide {decided:.0%} of the ground in the left" in one for one in found)


@pytest.mark.parametrize(
    ("covered", "decided", "doubted"), [(0.2, 0.55, True), (0.2, 0.7, False), (0.0, 0.55, False)]
)
def test_covered_ground_takes_what_the_other_image_would_have_decided(
    covered: float, decided: float, doubted: bool
) -> None:
    found = doubts(view(decided, 0.1, covered))
    assert bool(found) is doubted
    assert all(one.startswith("20% of the left view shows no ground; the im") for one in found)


@pytest.mark.parametrize(
    ("hidden", "may_be_steep", "doubted"),
    [(0.12, 0.1, True), (0.06, 0.1, False), (0.12, 0.0, False)],
)
def test_masks_that_hide_an_overlap_are_a_doubt_where_its_ground_may_be_steep(
    hidden: float, may_be_steep: float, doubted: bool
) -> None:
    steep = view(0.7, may_be_steep, sigma_deg=2.0)
    steep.slope[:2] = 25.0  # surely steep, and seen
    found = doubts(steep, hidden=hidden)
    assert bool(found) is doubted
    assert all("masks hide 12% of the left view" in one for one in found)


def test_pixels_that_a_user_dropped_by_their_confidence_are_not_covered() -> None:
    dropped = view(0.55, 0.1, 0.2)
    confidence = np.ones_like(dropped.slope)
    assert doubts(replace(dropped, confidence=confidence)) == ()


@pytest.mark.parametrize(
    ("field_deg", "decided", "doubted"),
    [(20.0, 0.55, True), (20.0, 0.7, False), (45.0, 0.55, False)],
)
def test_a_window_that_the_images_half_decide_is_a_doubt(
    field_deg: float, decided: float, doubted: bool
) -> None:
    found = doubts(view(decided, 0.0), field_deg=field_deg)
    assert bool(found) is doubted
    assert all("of the left view, which is 20 degrees wide" in one for one in found)


@pytest.mark.parametrize(
    ("sigma_deg", "up_deg", "doubted"), [(3.5, 0.0, False), (4.5, 0.0, True), (8.0, 7.8, False)]
)
def test_slopes_that_tell_little_are_a_doubt_but_for_ups_part(
    sigma_deg: float, up_deg: float, doubted: bool
) -> None:
    one = view(0.9, 0.0, sigma_deg=sigma_deg)
    assert one.slope_sigma is not None
    assert one.refined is not None
    one.slope_sigma[~one.refined] = 8.0  # where the images decide nothing
    found = doubts(one, up=UpEstimate(LEVEL.vector, "plane", up_deg))
    assert bool(found) is doubted


@pytest.mark.parametrize(
    ("prior_sigma", "epipolar_px", "said"),
    [(0.001, 0.009, True), (0.001, 0.002, False), (0.004, 0.009, False)],
)
def test_relief_below_the_matches_errors_is_a_planes_motion(
    prior_sigma: float, epipolar_px: float, said: bool
) -> None:
    camera = Intrinsics(600.0, 600.0, 256.0, 256.0)
    view = RefinedView(fraction=0.0, overlap=0.9, correlation=0.9, prior_sigma=prior_sigma)
    of_20_px = math.degrees(20 / 600)
    refinement = Refinement(
        reason=None, parallax_deg=of_20_px, epipolar_px=epipolar_px, views={"left": view}
    )
    assert bool(doubt_relief(refinement, {"left": camera})) is said
