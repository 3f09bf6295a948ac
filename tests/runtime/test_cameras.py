"""Intrinsics, and the rays of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays

CAMERA = Intrinsics(618.04, 617.0, 250.0, 130.5)


def test_convention_pixel_centres_are_at_one_half() -> None:
    rays = pixel_rays(Intrinsics(100, 100, 2.0, 1.5), height=3, width=4)
    # The image spans [0, 4] x [0, 3]: the top-left centre is 1.5 px left of, and 1 px above, the
    # image's centre.
    np.testing.assert_allclose(rays[0, 0], [-0.015, -0.01, 1.0], rtol=1e-6)  # float32
    np.testing.assert_array_equal(rays[1, :, 1], 0.0)


def test_convention_x_is_right_y_is_down_z_is_forward() -> None:
    rays = pixel_rays(CAMERA, 260, 500)
    assert rays.shape == (260, 500, 3)
    assert rays.dtype == np.float32
    assert np.all(np.diff(rays[..., 0], axis=1) > 0)
    assert np.all(np.diff(rays[..., 1], axis=0) > 0)
    assert np.all(rays[..., 2] == 1)


def test_rays_project_back_onto_their_pixels() -> None:
    rays = pixel_rays(CAMERA, 260, 500).astype(np.float64)
    pixels = rays @ CAMERA.matrix().T
    row, column = np.mgrid[:260, :500]
    # float32 rays: 6e-8 of up to 0.5, times the focal length
    np.testing.assert_allclose(pixels[..., 0], column + 0.5, atol=2e-5)
    np.testing.assert_allclose(pixels[..., 1], row + 0.5, atol=2e-5)


def test_rays_of_no_image_are_refused() -> None:
    with pytest.raises(InputError, match="positive size, not 0 × 5"):
        pixel_rays(CAMERA, 0, 5)


def test_matrix_and_back() -> None:
    assert Intrinsics.from_matrix(CAMERA.matrix()) == CAMERA
    assert Intrinsics.from_matrix([[1, 0, 2], [0, 3, 4], [0, 0, 1]]) == Intrinsics(1, 3, 2, 4)


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        ([[1, 0.1, 2], [0, 3, 4], [0, 0, 1]], "skew"),
        ([[1, 0, 2], [0, 3, 4], [0, 0, 2]], "not supported"),
        ([[1, 0, 2], [0, 3, 4]], "3 × 3, not 2 × 3"),
        ([[-1, 0, 2], [0, 3, 4], [0, 0, 1]], "focal lengths must be positive"),
        ([[1, 0, float("nan")], [0, 3, 4], [0, 0, 1]], "finite"),
        ("matrix", "3 × 3 numbers"),
    ],
)
def test_other_matrices_are_refused(matrix: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        Intrinsics.from_matrix(matrix)


def test_parse_reads_what_the_command_line_takes() -> None:
    assert Intrinsics.parse("618.04, 617,250,130.5") == CAMERA


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("618,618,256", "have 3 numbers, not 4"),
        ("618,618,256,256,0", "have 5 numbers, not 4"),
        ("a,b,c,d", "are not numbers"),
        ("", "are not numbers"),
        ("0,618,256,256", "focal lengths must be positive"),
        ("618,inf,256,256", "must be finite"),
        ("nan,618,256,256", "must be finite"),
    ],
)
def test_parse_says_what_to_write(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Intrinsics.parse(text)
    message = str(caught.value)
    assert what in message
    assert message.endswith("write FX,FY,CX,CY in pixels, for example 618.04,618.04,256,256")
    assert "\n" not in message


def test_a_camera_scales_with_its_image() -> None:
    assert Intrinsics(600, 620, 256, 250).scaled(0.5, 0.25) == Intrinsics(300, 155, 128, 62.5)
