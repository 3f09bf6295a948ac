"""What makes a result measured or guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.result import RefinedView, Refinement, Side
from lunar_runtime.inference.verdict import judge

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


def test_a_nominal_camera_makes_a_guess_of_any_geometry() -> None:
    """The focal length that the images ask for is no doubt of one that nobody gave."""
    asked = replace(DONE, focal_ratio=1.4)
    judged = judge(of_camera("nominal"), asked, ())
    assert judged == ("guessed", ("the focal length is not known",))


@pytest.mark.parametrize(
    ("ratio", "sigma", "verdict"),
    [
        (1.05, 0.01, "guessed"),
        (0.95, 0.01, "guessed"),
        (1.05, 0.02, "measured"),  # within three of its errors
        (1.015, 0.001, "measured"),  # below 2 %: a lens does as much
        (1.4, 11.0, "measured"),  # a camera that did not turn says nothing
    ],
)
def test_a_focal_length_is_doubted_beyond_its_error(
    ratio: float, sigma: float, verdict: str
) -> None:
    judged = judge(MAPS, replace(DONE, focal_ratio=ratio, focal_sigma=sigma), ())
    assert judged.verdict == verdict
    if verdict == "guessed":
        text = f"the images ask for a focal length {ratio:.3f} times the one given (± {sigma:.3f})"
        assert judged.reasons == (text,)


def test_a_view_that_the_images_leave_undecided_is_a_guess() -> None:
    """A pose may be found on a strip, and be too uncertain for a single pixel."""
    views: dict[Side, RefinedView] = {
        "left": RefinedView(0.3, 0.3, 0.9, 0.01),
        "right": RefinedView(0.01, 0.3, 0.9, 0.01),
    }
    found = judge(of_camera("rig"), replace(DONE, views=views), ())
    assert found == ("guessed", ("the images decide 1% of the right view",))


def test_every_reason_is_given() -> None:
    judged = judge(of_camera("nominal"), None, ("the ground is tilted",))
    assert judged.verdict == "guessed"
    assert judged.reasons == (
        "the geometry is the network's alone",
        "the focal length is not known",
        "the ground is tilted",
    )
