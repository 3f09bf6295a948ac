from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.report.preview import render_preview

INVALID = (190, 150, 200)
GREY = np.tile(np.arange(80, dtype=np.uint8), (60, 1))
DEPTH = 100.0 + np.add.outer(np.linspace(0, 9, 60), np.sin(np.arange(80) / 9))
SLOPE = np.tile(np.linspace(0, 18, 80), (60, 1))
PANEL, PITCH, LEFT, TOP = (400, 300), 424, 24, 72  # of an 80 x 60 image, no title


def _panel(picture: np.ndarray, index: int) -> np.ndarray:
    x = LEFT + PITCH * index
    return picture[TOP : TOP + PANEL[1], x : x + PANEL[0]]


def _invalid_share(panel: np.ndarray) -> float:
    return float(np.mean(np.all(panel == INVALID, axis=-1)))


def test_the_picture_is_bgr_bytes_and_wider_with_confidence() -> None:
    three = render_preview(GREY, DEPTH, SLOPE, unit="m")
    four = render_preview(GREY, DEPTH, SLOPE, np.ones((60, 80)), unit="m")
    assert three.dtype == np.uint8
    assert three.ndim == 3
    assert four.shape == (three.shape[0], three.shape[1] + PITCH, 3)
    np.testing.assert_array_equal(four[:, : three.shape[1] - LEFT], three[:, :-LEFT])


def test_the_left_image_is_shown_as_it_is() -> None:
    panel = _panel(render_preview(GREY, DEPTH, SLOPE, unit="m"), 0)
    np.testing.assert_array_equal(panel[2::5, 2::5], np.repeat(GREY[..., None], 3, -1))


def test_the_caption_names_the_view() -> None:
    left = render_preview(GREY, DEPTH, SLOPE, unit="m")
    right = render_preview(GREY, DEPTH, SLOPE, unit="m", caption="Right image")
    assert left.shape == right.shape
    assert not np.array_equal(left, right)


def test_invalid_pixels_have_a_colour_of_their_own() -> None:
    depth, slope = DEPTH.copy(), SLOPE.copy()
    depth[:30], slope[:, :20] = np.nan, np.inf
    picture = render_preview(GREY, depth, slope, unit="m")
    assert [_invalid_share(_panel(picture, index)) for index in range(4)] == [0, 0.5, 0.5, 0.25]
    whole = render_preview(GREY, DEPTH, SLOPE, np.ones((60, 80)), unit="m")
    assert [_invalid_share(_panel(whole, index)) for index in range(5)] == [0] * 5


@pytest.mark.parametrize(
    "colormap", [cv2.COLORMAP_VIRIDIS, cv2.COLORMAP_MAGMA, cv2.COLORMAP_CIVIDIS]
)
def test_no_colour_map_has_the_colour_of_invalid(colormap: int) -> None:
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], colormap)[:, 0]
    assert np.abs(colours.astype(int) - INVALID).sum(axis=-1).min() > 40


def test_deeper_is_brighter() -> None:
    panel = _panel(render_preview(GREY, DEPTH, SLOPE, unit="m"), 1).sum(axis=-1)
    assert panel[-10:].mean() > panel[:10].mean() + 100


def test_relief_shows_what_the_plane_hides() -> None:
    """A bump of a thousandth of the depth, on a tilted plane, is the darkest brown there is."""
    row, column = np.mgrid[:60, :80]
    plane = 1000 / (1 + 0.2 * (row - 30) / 60)
    bump = np.exp(-((row - 30.0) ** 2 + (column - 40.0) ** 2) / 50)
    panel = _panel(render_preview(GREY, plane - bump, SLOPE, unit="m"), 2)
    blue, _, red = panel[150, 200].astype(int)  # the bump's top
    assert red > blue + 60
    blue, _, red = panel[20, 20].astype(int)  # on the plane: nearly white
    assert min(blue, red) > 200


def test_a_given_relief_is_drawn_around_zero() -> None:
    relief = np.tile(np.linspace(-5, 5, 80), (60, 1))
    panel = _panel(render_preview(GREY, DEPTH, SLOPE, unit="m", relief=relief), 2).astype(int)
    assert np.all(panel[150, 10, 0] > panel[150, 10, 2] + 60)  # below: blue
    assert np.all(panel[150, 390, 2] > panel[150, 390, 0] + 60)  # above: brown
    assert panel[150, 200].min() > 220  # zero: nearly white


def test_one_wild_pixel_does_not_flatten_the_rest() -> None:
    wild = DEPTH.copy()
    wild[0, 0] = 1e9
    np.testing.assert_allclose(
        _panel(render_preview(GREY, wild, SLOPE, unit="m"), 1)[50:].astype(int),
        _panel(render_preview(GREY, DEPTH, SLOPE, unit="m"), 1)[50:].astype(int),
        atol=3,  # the percentile moves by one pixel in 4800
    )


def test_slopes_share_one_scale_up_to_twenty_degrees() -> None:
    gentle = _panel(render_preview(GREY, DEPTH, SLOPE / 4, unit="m"), 3)
    np.testing.assert_array_equal(
        gentle, _panel(render_preview(GREY, DEPTH + 1, SLOPE / 4, unit="m"), 3)
    )
    assert gentle.max() < 140  # 4.5° of 20° stays dark


def test_title_lines_make_room() -> None:
    plain = render_preview(GREY, DEPTH, SLOPE, unit="relative")
    titled = render_preview(GREY, DEPTH, SLOPE, unit="relative", title=["one", "two σ = 2°"])
    added = titled.shape[0] - plain.shape[0]
    assert added > 40
    np.testing.assert_array_equal(titled[added + LEFT :], plain[LEFT:])


def test_a_title_that_is_too_long_stays_inside() -> None:
    picture = render_preview(GREY, DEPTH, SLOPE, unit="m", title=["word " * 400])
    assert np.all(picture[:, -LEFT // 2 :] == 255)
    assert picture.min() < 255


@pytest.mark.parametrize("shape", [(512, 512), (1000, 750), (3, 500), (500, 3), (1, 1)])
def test_any_size_of_image_can_be_drawn(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    depth = 10 + rng.random(shape)
    picture = render_preview(np.zeros(shape, np.uint8), depth, 90 * depth, depth, unit="m")
    assert picture.shape[0] < 650


@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0, 1e9, -5.0])
def test_constant_and_empty_maps_can_be_drawn(value: float) -> None:
    values = np.full((60, 80), value)
    picture = render_preview(GREY, values, values, values, unit="m", relief=values)
    assert picture.shape[2] == 3


def test_the_same_input_gives_the_same_picture() -> None:
    first, second = (render_preview(GREY, DEPTH, SLOPE, unit="m", title=["a"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((GREY.astype(float), DEPTH, SLOPE), r"grey must be \(H, W\) uint8, not float64"),
        ((GREY, DEPTH[1:], SLOPE), r"depth must be \(60, 80\) like the image, not \(59, 80\)"),
        ((GREY, DEPTH, SLOPE[:, 1:]), r"slope must be \(60, 80\)"),
        ((GREY, DEPTH, SLOPE, DEPTH.T), r"confidence must be \(60, 80\)"),
    ],
)
def test_shapes_are_checked(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        render_preview(*arguments, unit="m")
