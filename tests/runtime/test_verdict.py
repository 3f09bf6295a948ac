"""What makes a result measured or guessed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.result import RefinedView, Refinement, Side
from lunar_runtime.inference.verdict import judge
from lunar_runtime.refinement.misfit import Misfit

from .known_maps import PLANE, maps_of

MAPS = maps_of(PLANE)  # of a camera that was told
DONE = Refinement(reason=None, focal_ratio=1.0, focal_sigma=0.01)


def of_camera(source: str) -> Maps:
    return replace(MAPS, camera_left=MAPS.camera_left._replace(source=source))


@pytest.mark.parametrize("source", ["option", "rig"])
def test_what_the_images_decided_with_a_known_camera_is_measured(source: str) -> None:
    assert judge(of_camera(source), DONE, ()) == ("measured", ())


@pytest.mark.parametrize("refinement", [None, Refinement(reason="no matches")])
def test_the_networks_word_is_a_guess(refinement: Refinement | None) -> None:
    judged = judge(MAPS, refinement, ())
    assert judged == ("guessed", ("the geometry is the network's alone",))


def test_a_camera_that_the_pair_estimated_is_a_guess() -> None:
    """Of a window its principal point is elsewhere, and the focal length follows it."""
    judged = judge(of_camera("estimated"), DONE, ())
    assert judged.verdict == "guessed"
    assert "nobody told the camera" in judged.reasons[0]


@pytest.mark.parametrize(
    ("pattern_px", "correlation", "doubted"),
    [
        (0.087, 0.996, True),  # a right camera zoomed by 7 %
        (0.058, 0.716, False),  # a clean pair under noise
        (0.106, 0.342, False),  # the dimmest clean pair
        (0.040, 0.999, False),  # below what any clean pair may have
    ],
)
def test_neighbours_that_miss_together_by_more_than_noise_speak_against_the_cameras(
    pattern_px: float, correlation: float, doubted: bool
) -> None:
    view = RefinedView(fraction=0.9, overlap=1.0, correlation=correlation, prior_sigma=0.01)
    done = replace(DONE, pattern_px=pattern_px, views={"left": view})
    judged = judge(MAPS, done, ())
    assert judged.verdict == ("guessed" if doubted else "measured")
    assert not doubted or "are both cameras and their lenses as told?" in judged.reasons[0]
    assert judge(of_camera("nominal"), done, ()).reasons == ("the focal length is not known",)


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


def test_flat_ground_that_both_images_show_is_measured_although_a_plane_tells_it_as_well() -> None:
    view = RefinedView(fraction=0.03, overlap=0.5, correlation=0.95, prior_sigma=0.0025)
    assert judge(MAPS, replace(DONE, views={"left": view}), ()) == ("measured", ())


def test_every_reason_is_given() -> None:
    judged = judge(of_camera("nominal"), None, ("the ground is tilted",))
    assert judged.verdict == "guessed"
    assert judged.reasons == (
        "the geometry is the network's alone",
        "the focal length is not known",
        "the ground is tilted",
    )


@pytest.mark.parametrize(
    ("epipolar_px", "correlation", "doubted"),
    [
        (0.065, 0.85, False),
        (0.075, 0.85, True),
        (0.11, 0.4, False),  # of a dim pair: noise explains it
        (0.12, 0.75, True),
        (0.12, 0.66, False),  # a clean pair under noise
    ],
)
def test_matches_that_miss_by_more_than_noise_are_a_guess(
    epipolar_px: float, correlation: float, doubted: bool
) -> None:
    view = RefinedView(fraction=0.9, overlap=1.0, correlation=correlation, prior_sigma=0.01)
    done = replace(DONE, epipolar_px=epipolar_px, views={"left": view})
    found = judge(MAPS, done, ())
    assert (found.verdict == "guessed") == doubted
    assert all("more than the images' noise does" in reason for reason in found.reasons)


@pytest.mark.parametrize(("correlation", "verdict"), [(0.42, "measured"), (0.2, "guessed")])
def test_images_that_match_poorly_are_a_guess(correlation: float, verdict: str) -> None:
    """Dim clean pairs have 0.41 up, and their errors are the expected ones."""
    view = RefinedView(fraction=0.9, overlap=0.9, correlation=correlation, prior_sigma=0.01)
    judged = judge(MAPS, replace(DONE, views={"left": view}), ())
    assert judged.verdict == verdict
    assert all(reason.startswith("the images match poorly") for reason in judged.reasons)


@pytest.mark.parametrize(("unmatched", "verdict"), [(0.001, "measured"), (0.02, "guessed")])
def test_detail_that_is_another_one_in_each_image_is_a_guess(
    unmatched: float, verdict: str
) -> None:
    view = RefinedView(0.9, 0.9, 0.95, 0.01, unmatched=unmatched)
    judged = judge(MAPS, replace(DONE, views={"left": view}), ())
    assert judged.verdict == verdict
    assert all("shows detail in both images that is not the same" in r for r in judged.reasons)


@pytest.mark.parametrize(("unevenness", "verdict"), [(0.05, "measured"), (0.1, "guessed")])
def test_stripes_and_dust_are_a_guess(unevenness: float, verdict: str) -> None:
    """The matches look well, and slopes follow the light."""
    view = RefinedView(0.9, 0.9, 0.95, 0.01, unevenness)
    judged = judge(MAPS, replace(DONE, views={"left": view}), ())
    assert judged.verdict == verdict
    assert all("differs by 10% from place to place" in reason for reason in judged.reasons)
