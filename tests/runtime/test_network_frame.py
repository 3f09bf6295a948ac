"""Where an image lies in the network's input, and what comes of the rest of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.grid_mapping import GridMapping, cropped
from lunar_runtime.geometry.network_frame import NetworkFrame, prepare
from numpy.typing import NDArray

Texture = Callable[..., NDArray[np.uint8]]


@pytest.mark.parametrize(
    ("image", "network", "grid", "corner"),
    [
        ((600, 900), (256, 256), (171, 256), (42, 0)),
        ((256, 1024), (256, 256), (64, 256), (96, 0)),
        ((900, 600), (256, 256), (256, 171), (0, 42)),
        ((512, 512), (256, 256), (256, 256), (0, 0)),
        ((512, 512), (384, 512), (384, 384), (0, 64)),
        ((100, 150), (256, 256), (171, 256), (42, 0)),
    ],
)
def test_all_of_an_image_is_in_the_middle_with_its_aspect(
    image: tuple[int, int], network: tuple[int, int], grid: tuple[int, int], corner: tuple[int, int]
) -> None:
    frame = NetworkFrame.fit(GridMapping.whole(*image), *network)
    mapping = frame.mapping
    assert mapping.crop == (0, 0, image[1], image[0])
    assert (mapping.grid_height, mapping.grid_width) == grid
    assert (frame.top, frame.left) == corner
    # Whole pixels: the aspect is off by half of one of the shorter side at most.
    assert mapping.scale_x == pytest.approx(mapping.scale_y, rel=0.5 / min(grid) * 1.01)


def test_what_is_left_over_mirrors_the_image_and_is_dropped(make_texture: Texture) -> None:
    image = make_texture(0, 48, 64)
    filled, frame = prepare(image, 64, 64)
    np.testing.assert_array_equal(filled[8:56], image)
    np.testing.assert_array_equal(filled[:8], image[:8][::-1])
    np.testing.assert_array_equal(filled[56:], image[-8:][::-1])
    output = np.arange(64 * 64 * 3, dtype=np.float32).reshape(1, 64, 64, 3)
    np.testing.assert_array_equal(frame.image_part(output), output[:, 8:56])
    np.testing.assert_array_equal(frame.image_part(output[..., 0]), output[:, 8:56, :, 0])


def test_a_square_image_fills_a_square_network_as_ever(make_texture: Texture) -> None:
    image = make_texture(0, 100, 100)
    filled, frame = prepare(image, 64, 64)
    np.testing.assert_array_equal(filled, cropped(image, 64, 64)[0])
    assert frame.mapping == GridMapping.fit(100, 100, 64, 64)


def test_of_a_window_only_the_window_is_seen() -> None:
    whole = GridMapping.whole(90, 120, Window(30, 20, 64, 32))
    frame = NetworkFrame.fit(whole, 128, 128)
    assert frame.mapping.crop == (30, 20, 64, 32)
    assert (frame.mapping.grid_height, frame.top) == (64, 32)


def test_a_strip_is_mirrored_again_and_again(make_texture: Texture) -> None:
    filled, frame = prepare(make_texture(0, 8, 64), 64, 64)
    strip = filled[28:36]
    for number in range(3):
        mirrored = strip[::-1] if number % 2 == 0 else strip
        np.testing.assert_array_equal(filled[36 + 8 * number : 44 + 8 * number], mirrored)
    assert frame.top == 28


@pytest.mark.parametrize("image", [np.zeros((8, 8)), np.zeros((8, 8, 3), np.uint8)])
def test_only_grey_bytes_are_prepared(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"need a \(h, w\) uint8 grey image"):
        prepare(image, 8, 8)
