"""What makes a result measured or guessed."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.result import RefinedView, Refinement, Side, UpEstimate, ViewResult
from lunar_runtime.inference.verdict import doubt_slopes, judge
from lunar_runtime.refinement.camera_evidence import Misfit

from .known_maps import PLANE, maps_of

MAPS = maps_of(PLANE)  # of a camera that was told
DONE = Refinement(reason=None, focal_ratio=1.0, focal_sigma=0.01)


def of_camera(source: str) -> Maps:
    return replace(MAPS, camera_left=MAPS.camera_left._replace(source=source))


@pytest.mark.parametrize("source", ["option", "rig", "estimated"])
def test_what_the_images_decided_with_a_known_camera_is_measured(source: str) -> None:
    assert judge(of_camera(source), DONE, ()) == ("measured", ())


@pytest.mark.parametrize("refinement", [None, Refinement(reason="no matches")])
def test_the_networks_word_is_a_guess(refinement: Refinement | None) -> None:
    judged = judge(MAPS, refinement, ())
    assert judged == ("guessed", ("the geometry is the network's alone",))


FOCAL = Misfit("focal", 0.05, 0.01, 0.004, 600.0, (0.0,) * 5)
LENS = Misfit("lens", -0.1, 0.02, 0.01, 600.0, (0.0,) * 5)


def test_a_nominal_camera_makes_a_guess_of_any_geometry() -> None:
    """The focal length that the images ask for is no doubt of one that nobody gave."""
    judged = judge(of_camera("nominal"), replace(DONE, misfits=(FOCAL,)), ())
    assert judged == ("guessed", ("the focal length is not known",))
    judged = judge(of_camera("nominal"), replace(DONE, misfits=(FOCAL, LENS)), ())
    assert judged.reasons == ("the focal length is not known", LENS.words())


@pytest.mark.parametrize(
    ("misfit", "text"),
    [
        (FOCAL, r"a focal length 1\.050 times the one given \(± 0\.010\)"),
        (FOCAL._replace(number="zoom"), r"of the right camera 1\.050 times the one given"),
        (LENS, r"a lens with k1 -0\.1 \(± 0\.02\); give `distortion` in the rig"),
        (FOCAL._replace(change=-1.3), r"speak against the focal length given by far; are the in"),
        (
            FOCAL._replace(number="centre_x", change=30.0),
            r"a principal point 30 \(.*right",
        ),
        (
            FOCAL._replace(number="centre_y", change=-9.0),
            r"a principal point -9 \(.*down",
        ),
    ],
)
def test_a_number_of_the_cameras_that_the_matches_contradict_is_doubted(
    misfit: Misfit, text: str
) -> None:
    """The surest alone: one wrong number makes others look wrong."""
    other = FOCAL._replace(change=0.5)
    judged = judge(MAPS, replace(DONE, misfits=(misfit, other)), ())
    assert judged.verdict == "guessed"
    (reason,) = judged.reasons
    assert re.search(text, reason)


def test_a_view_that_the_images_leave_undecided_is_a_guess() -> None:
    """A pose may be found on a strip, and be too uncertain for a single pixel."""
    views: dict[Side, RefinedView] = {
        "left": RefinedView(0.3, 0.3, 0.9, 0.01),
        "right": RefinedView(0.01, 0.3, 0.9, 0.01),
    }
    found = judge(of_camera("rig"), replace(DONE, views=views), ())
    assert found == ("guessed", ("the images decide 1% of the right view",))


@pytest.mark.parametrize(
    ("decided", "slope_deg", "doubted"),
    [(0.6, 13.0, False), (0.4, 13.0, True), (0.4, 5.0, False), (0.4, 20.0, False)],
)
def test_undecided_ground_that_may_be_steep_is_a_doubt(
    decided: float, slope_deg: float, doubted: bool
) -> None:
    """A strip, or a view cut down by sky; masked pixels count on neither side."""
    one = np.ones((20, 10), np.float32)
    slope = slope_deg * one
    slope[10:] = np.nan
    refined = np.zeros(one.shape, bool)
    refined[: round(10 * decided)] = True
    up = UpEstimate(np.array([0.0, 0.0, -1.0]), "rig")
    view = ViewResult(one, slope, one, one, 3 * one, refined)
    doubts = doubt_slopes({"left": view}, up)
    assert bool(doubts) is doubted
    assert all("decide 40% of the ground" in doubt for doubt in doubts)


def test_every_reason_is_given() -> None:
    judged = judge(of_camera("nominal"), None, ("the ground is tilted",))
    assert judged.verdict == "guessed"
    assert judged.reasons == (
        "the geometry is the network's alone",
        "the focal length is not known",
        "the ground is tilted",
    )


@pytest.mark.parametrize(
    ("correlation", "epipolar_px", "verdict"),
    [(0.65, 0.06, "measured"), (0.5, 0.06, "guessed"), (0.9, 0.09, "guessed")],
)
def test_images_that_match_poorly_are_a_guess(
    correlation: float, epipolar_px: float, verdict: str
) -> None:
    view = RefinedView(fraction=0.9, overlap=0.9, correlation=correlation, prior_sigma=0.01)
    found = replace(DONE, epipolar_px=epipolar_px, views={"left": view})
    judged = judge(MAPS, found, ())
    assert judged.verdict == verdict
    assert all(reason.startswith("the images match poorly") for reason in judged.reasons)


@pytest.mark.parametrize(("unevenness", "verdict"), [(0.05, "measured"), (0.1, "guessed")])
def test_stripes_and_dust_are_a_guess(unevenness: float, verdict: str) -> None:
    """The matches look well, and slopes follow the light."""
    view = RefinedView(0.9, 0.9, 0.95, 0.01, unevenness)
    judged = judge(MAPS, replace(DONE, views={"left": view}), ())
    assert judged.verdict == verdict
    assert all("differs by 10% from place to place" in reason for reason in judged.reasons)


@pytest.mark.parametrize(
    ("sigma_deg", "up_deg", "doubted"), [(3.5, 0.0, False), (4.5, 0.0, True), (8.0, 7.8, False)]
)
def test_slopes_that_tell_little_are_a_doubt_but_for_ups_part(
    sigma_deg: float, up_deg: float, doubted: bool
) -> None:
    one = np.ones((8, 8), np.float32)
    sigma = sigma_deg * one
    sigma[:2] = 90.0  # where the images decide nothing
    decided = np.ones((8, 8), bool)
    decided[:2] = False
    view = ViewResult(one, one, one, one, sigma, decided)
    up = UpEstimate(np.array([0.0, 0.0, -1.0]), "plane", up_deg)
    doubts = doubt_slopes({"left": view}, up)
    assert bool(doubts) is doubted
