"""Lenses by OpenCV's two models: where they bend to, and where they turn back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion, Lens

CAMERA = Intrinsics(600.0, 620.0, 250.0, 260.0)
BROWN = Distortion(k1=-0.2, k2=0.05, p1=0.003, p2=-0.002, k3=0.01, k4=0.02, k5=-0.01, k6=0.003)
FISHEYE = Distortion(model="fisheye", k1=0.03, k2=-0.01, k3=0.004, k4=-0.001)
POINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 2))


def test_brown_and_conrady_bend_as_opencv_does() -> None:
    numbers = BROWN.coefficients()
    order = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    pixels, _ = cv2.projectPoints(
        np.c_[POINTS, np.ones(len(POINTS))],
        np.zeros(3),
        np.zeros(3),
        CAMERA.matrix(),
        np.array([numbers[name] for name in order]),
    )
    _agree(pixels, BROWN)


def test_a_fisheye_bends_as_opencvs_does() -> None:
    pixels, _ = cv2.fisheye.projectPoints(
        np.c_[POINTS, np.ones(len(POINTS))][:, None],
        np.zeros((3, 1)),
        np.zeros((3, 1)),
        CAMERA.matrix(),
        np.array([FISHEYE.k1, FISHEYE.k2, FISHEYE.k3, FISHEYE.k4]),
    )
    _agree(pixels, FISHEYE)


def _agree(pixels: object, distortion: Distortion) -> None:
    straight = POINTS * [CAMERA.fx, CAMERA.fy] + [CAMERA.cx, CAMERA.cy]
    found = Lens(CAMERA, distortion).to_image(straight)
    np.testing.assert_allclose(found, np.asarray(pixels).reshape(-1, 2), atol=1e-9)


def test_the_axis_of_a_fisheye_stays() -> None:
    x, y = FISHEYE.bend(np.zeros(1), np.zeros(1))
    assert (x[0], y[0]) == (0, 0)


def test_a_barrel_turns_back_where_its_derivative_is_zero() -> None:
    lens = Lens(CAMERA, Distortion(k1=-0.25))
    assert lens.turning_radius == pytest.approx(1 / np.sqrt(0.75), abs=0.02)
    lens.check(512, 512)  # the corners are at 0.6
    beyond = np.array([CAMERA.cx + 1.3 * CAMERA.fx, CAMERA.cy])
    assert np.isnan(lens.to_image(beyond[None])).all()


def test_lenses_that_never_turn_back() -> None:
    for distortion in (Distortion(), Distortion(k1=0.1), Distortion(model="fisheye")):
        assert Lens(CAMERA, distortion).turning_radius == np.inf


@pytest.mark.parametrize(
    "distortion",
    [
        Distortion(k1=-1.5),
        Distortion(k1=-0.1, k2=-4.0),
        Distortion(p1=0.6),
        Distortion(model="fisheye", k1=-2.0),
    ],
)
def test_a_lens_that_turns_back_inside_the_image_is_refused(distortion: Distortion) -> None:
    with pytest.raises(
        InputError,
        match=r"the distortion turns back \d+ px from the principal point, and the image of "
        r"512x512 px reaches to \d+ px; check the coefficients, their order and signs",
    ):
        Lens(CAMERA, distortion).check(512, 512)


def test_coefficients_that_the_model_has_not_are_refused() -> None:
    with pytest.raises(InputError, match="p1 is none of fisheye's coefficients"):
        Distortion(model="fisheye", p1=0.1)
    with pytest.raises(InputError, match="must be finite"):
        Distortion(k1=np.nan)


def test_a_pole_beyond_what_the_image_shows_is_no_fault() -> None:
    """Before a denominator of zero the bent radius grows beyond any image."""
    lens = Lens(CAMERA, Distortion(k1=0.1, k4=-2.0))
    assert lens.turning_radius == pytest.approx(np.sqrt(0.5), abs=0.02)
    lens.check(512, 512)


def test_only_what_is_not_zero_is_told() -> None:
    assert Distortion(k1=-0.1, p2=0.01).words() == {
        "model": "brown_conrady",
        "k1": -0.1,
        "p2": 0.01,
    }
