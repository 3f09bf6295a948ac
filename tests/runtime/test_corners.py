"""Images that are darker towards their corners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import StereoRuntime
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.corners import doubt_corners, evened, fall_off
from lunar_runtime.inference.pair import ImagePair
from numpy.typing import NDArray

from .scenes import hilly_scene

HEIGHT, WIDTH = 160, 240
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH] + 0.5
SQUARE = ((2 * COLUMNS / WIDTH - 1) ** 2 + (2 * ROWS / HEIGHT - 1) ** 2) / 2


def image(fall: float, across: float = 0.0, seed: int = 0) -> NDArray[np.uint8]:
    rough = np.random.default_rng(seed).normal(0, 0.1, (HEIGHT, WIDTH))
    light = np.exp(fall * SQUARE + across * (COLUMNS / WIDTH - 0.5) + rough)
    return np.asarray(np.clip(np.rint(120 * light), 0, 255), np.uint8)


@pytest.mark.parametrize("across", [0.0, 0.5])
@pytest.mark.parametrize("fall", [-1.0, -0.5, 0.0])
def test_the_fall_off_is_told_beside_what_changes_from_side_to_side(
    fall: float, across: float
) -> None:
    assert fall_off(image(fall, across)) == pytest.approx(fall, abs=0.02)


def test_shadow_is_no_dark_corner() -> None:
    dark = image(0.0)
    dark[:60, :60] = 2
    assert abs(fall_off(dark)) < 0.05
    assert fall_off(np.zeros((HEIGHT, WIDTH), np.uint8)) == 0


def test_both_images_get_corners_as_bright_as_their_middles() -> None:
    for one in evened(image(-0.9), image(-0.8, seed=1)):
        assert abs(fall_off(one)) < 0.15  # by the weaker one of both
        assert np.percentile(one, 99) < 255


@pytest.mark.parametrize("falls", [(-0.9, 0.0), (0.0, -0.9), (-0.3, -0.3)])
def test_what_is_not_in_both_is_the_grounds(falls: tuple[float, float]) -> None:
    left, right = (image(fall) for fall in falls)
    assert evened(left, right)[0] is left
    assert evened(left, right)[1] is right


@pytest.mark.parametrize("fall", [0.0, -0.9])
def test_that_the_network_saw_other_images_is_told(bundles: dict[str, Path], fall: float) -> None:
    scene = hilly_scene(128)
    y, x = (np.mgrid[:128, :128] + 0.5) / 64 - 1
    dark = np.exp(fall * (x**2 + y**2) / 2)
    left, right = (
        np.asarray(np.rint(grey * dark), np.uint8) for grey in (scene.grey_left, scene.grey_right)
    )
    with StereoRuntime.load(bundles["left"], threads=1) as runtime:
        told = runtime.infer(left, right, refine="off").warnings
    note = "images: darker towards their corners; evened for the network alone"
    assert (note in told) == (fall < 0)


@pytest.mark.parametrize(("fall", "doubted"), [(-1.4, True), (-0.8, False)])
def test_corners_that_are_nearly_black_in_both_images_are_a_doubt(
    fall: float, doubted: bool
) -> None:
    pair = ImagePair(grey_from_array(image(fall)), grey_from_array(image(fall, seed=1)))
    said = doubt_corners(pair)
    assert len(said) == doubted
    assert all("25% of their light in the corners" in one for one in said)
    other = ImagePair(pair.left, grey_from_array(image(0.0)))
    assert doubt_corners(other) == ()
