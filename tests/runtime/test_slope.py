from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.slope import (
    slope_deg,
    slope_paper_deg,
    slope_sigma_deg,
    surface_normals,
)

SIZE = 40
RAYS = pixel_rays(Intrinsics(50, 50, SIZE / 2, SIZE / 2), SIZE, SIZE).astype(np.float64)
TOWARDS_CAMERA = np.array([0.0, 0.0, -1.0])


# Slopes are computed in float32, as pointmaps are kept. In a corner, where a quarter of the
# Gaussian is left, that costs a thousandth of a degree at 40 degrees; a hundredth in kilometres.
ROUNDING_DEG = 2e-3


def _tilted(tilt_deg: float, azimuth_deg: float = 30.0, height: float = 7.0) -> np.ndarray:
    """A plane whose normal is `tilt_deg` from the viewing direction."""
    tilt, azimuth = np.radians([tilt_deg, azimuth_deg])
    normal = np.array(
        [np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), -np.cos(tilt)]
    )
    return np.asarray(-height / (RAYS @ normal)[..., None] * RAYS)


@pytest.mark.parametrize("smoothing_px", [0.0, 0.7, 2.0, 5.0])
@pytest.mark.parametrize("tilt_deg", [0.0, 1.0, 15.0, 40.0])
def test_slope_of_a_tilted_plane_is_its_tilt(tilt_deg: float, smoothing_px: float) -> None:
    slope = slope_deg(_tilted(tilt_deg), TOWARDS_CAMERA, smoothing_px)
    assert slope.dtype == np.float32
    # Everywhere, borders and corners too.
    np.testing.assert_allclose(slope, tilt_deg, atol=ROUNDING_DEG)


@pytest.mark.parametrize("scale", [1e-3, 1e5])
def test_slope_does_not_depend_on_the_unit(scale: float) -> None:
    slope = slope_deg(scale * _tilted(15), TOWARDS_CAMERA)
    np.testing.assert_allclose(slope, 15, atol=ROUNDING_DEG)


def test_slope_of_float32_kilometres_is_good_to_a_hundredth_of_a_degree() -> None:
    slope = slope_deg(_tilted(15, height=40_000).astype(np.float32), TOWARDS_CAMERA)
    # 4 mm of rounding at 40 km over 2 pixels of 800 m, smoothed
    np.testing.assert_allclose(slope, 15, atol=1e-2)


def test_slope_is_measured_from_up() -> None:
    up = np.array([0.0, np.sin(np.radians(25)), -np.cos(np.radians(25))])
    np.testing.assert_allclose(slope_deg(_tilted(0), up), 25, atol=ROUNDING_DEG)
    np.testing.assert_allclose(slope_deg(_tilted(25, 90), up), 0, atol=ROUNDING_DEG)
    np.testing.assert_allclose(
        slope_deg(_tilted(0), 3 * up), 25, atol=ROUNDING_DEG
    )  # length is no matter


def test_convention_the_normal_is_on_the_cameras_side() -> None:
    normals = surface_normals(_tilted(0), 0.0)
    np.testing.assert_allclose(normals, np.broadcast_to(TOWARDS_CAMERA, normals.shape), atol=1e-12)
    # The ground sinks to the right: its normal leans to the right.
    assert np.all(surface_normals(_tilted(20, 0))[..., 0] > 0.3)
    # The ground sinks towards the image's bottom (+y): the normal leans there.
    assert np.all(surface_normals(_tilted(20, 90))[..., 1] > 0.3)


def test_a_surface_that_folds_over_is_steeper_than_ninety() -> None:
    folded = _tilted(0)[:, ::-1]
    np.testing.assert_allclose(slope_deg(folded, TOWARDS_CAMERA), 180, atol=ROUNDING_DEG)


def test_slope_of_a_sphere_is_its_angle_from_the_pole() -> None:
    """A dome below the camera: the slope at a point is the angle of its radius from up."""
    centre, radius = np.array([0.0, 0.0, 40.0]), 30.0
    along = RAYS / np.linalg.norm(RAYS, axis=-1, keepdims=True)
    b = along @ centre
    points = (b - np.sqrt(b**2 - centre @ centre + radius**2))[..., None] * along
    truth = np.degrees(np.arccos((centre - points)[..., 2] / radius))
    slope = slope_deg(points, TOWARDS_CAMERA, 0.0)
    # Central differences of a curve are off by a third of step² x third derivative: 1e-4 rad here.
    np.testing.assert_allclose(slope[1:-1, 1:-1], truth[1:-1, 1:-1], atol=0.02)


def test_smoothing_removes_noise() -> None:
    rng = np.random.default_rng(0)
    noisy = _tilted(10) * (1 + 1e-3 * rng.standard_normal((SIZE, SIZE, 1)))
    rough = np.abs(slope_deg(noisy, TOWARDS_CAMERA, 0.0) - 10).mean()
    smooth = np.abs(slope_deg(noisy, TOWARDS_CAMERA, 2.0) - 10).mean()
    # White noise: a central difference keeps 1 / sqrt(2) of it, the derivative of a Gaussian of
    # s px 1 / (sqrt(8 pi) s²): 14 times less at 2 px.
    assert smooth < rough / 10


def test_nan_stays_where_it_is() -> None:
    points = _tilted(15)
    points[10:14, 20:30] = np.nan
    points[30, 5, 1] = np.inf
    slope = slope_deg(points, TOWARDS_CAMERA, 2.0)
    invalid = ~np.isfinite(points).all(axis=-1)
    np.testing.assert_array_equal(np.isnan(slope), invalid)
    np.testing.assert_allclose(
        slope[~invalid], 15, atol=ROUNDING_DEG
    )  # exact up to the hole's edge


def test_pixels_without_neighbours_have_no_slope() -> None:
    points = np.full((SIZE, SIZE, 3), np.nan)
    plane = _tilted(15)
    points[5, 5] = plane[5, 5]  # alone
    points[20, :] = plane[20, :]  # a line: nothing known across it
    points[30:34, 10:20] = plane[30:34, 10:20]  # enough
    for smoothing_px in (0.0, 2.0):
        slope = slope_deg(points, TOWARDS_CAMERA, smoothing_px)
        assert np.isnan(slope[5, 5])
        assert np.isnan(slope[20]).all()
        np.testing.assert_allclose(slope[31, 12:18], 15, atol=ROUNDING_DEG)


def test_nothing_valid_gives_nothing() -> None:
    assert np.isnan(slope_deg(np.full((4, 4, 3), np.nan), TOWARDS_CAMERA)).all()


def test_points_that_coincide_have_no_slope() -> None:
    assert np.isnan(slope_deg(np.ones((4, 4, 3)), TOWARDS_CAMERA, 0.0)).all()


def test_an_image_of_one_pixel_has_no_slope() -> None:
    assert np.isnan(slope_deg(np.ones((1, 1, 3)), TOWARDS_CAMERA)).all()


def test_the_input_is_left_alone() -> None:
    points = _tilted(15).astype(np.float32)
    points[3, 3] = np.nan
    before = points.copy()
    slope_deg(points, TOWARDS_CAMERA)
    np.testing.assert_array_equal(points, before)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\), not \(4, 4\)"):
        slope_deg(np.ones((4, 4)), TOWARDS_CAMERA)
    for up in ([0, 0, 0], [0, 0, np.nan], [0, 1]):
        with pytest.raises(InputError, match="up must be three finite numbers, not all zero"):
            slope_deg(np.ones((4, 4, 3)), up)
    for smoothing_px in (-1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="smoothing must be 0 or more pixels"):
            slope_deg(np.ones((4, 4, 3)), TOWARDS_CAMERA, smoothing_px)


def test_the_papers_slope_is_the_arctangent_of_depth_per_pixel() -> None:
    row, column = np.mgrid[:6, :8]
    depth = 100 + 0.3 * column - 0.4 * row
    slope = slope_paper_deg(depth)
    # 0.5 units a pixel; at the border the Sobel kernel sees replicated rows, so only inside.
    np.testing.assert_allclose(slope[1:-1, 1:-1], np.degrees(np.arctan(0.5)), rtol=1e-6)


def test_the_papers_slope_depends_on_the_unit_as_ours_does_not() -> None:
    depth = np.tile(np.arange(8.0), (6, 1))
    assert slope_paper_deg(depth)[3, 3] == pytest.approx(45)
    assert slope_paper_deg(1000 * depth)[3, 3] > 89.9


def test_the_papers_slope_is_nan_beside_nan() -> None:
    depth = np.ones((6, 8))
    depth[2, 3] = np.nan
    invalid = np.isnan(slope_paper_deg(depth))
    assert invalid[2, 2]
    assert invalid[3, 4]
    assert not invalid[5, 7]
    with pytest.raises(InputError, match=r"depth must be \(H, W\)"):
        slope_paper_deg(np.ones((2, 2, 1)))


@pytest.mark.parametrize("smoothing_px", [0.0, 2.0])
def test_expected_slope_errors_are_those_of_slopes_taken_again(smoothing_px: float) -> None:
    rng = np.random.default_rng(0)
    hills = 0.3 * np.sin(np.arange(SIZE) / 5)[:, None, None]
    pointmap = _tilted(20) * (1 + 0.02 * hills)
    half = SIZE // 2
    noise = rng.normal(0, 2e-3, (60, half, half)).astype(np.float32)
    draws = np.stack([cv2.GaussianBlur(draw, (0, 0), 1.5) for draw in noise])
    coarse = pointmap[::2, ::2]
    before = slope_deg(coarse, TOWARDS_CAMERA, smoothing_px / 2)
    changes = [
        slope_deg(coarse * (1 + draw[..., None]), TOWARDS_CAMERA, smoothing_px / 2) - before
        for draw in draws.astype(np.float64)
    ]
    inside = slice(8, -8)
    taken_again = np.sqrt(np.mean(np.square(changes), axis=0)[4:-4, 4:-4].mean())
    expected = slope_sigma_deg(pointmap, draws, TOWARDS_CAMERA, smoothing_px)[inside, inside]
    assert np.sqrt(np.mean(expected**2)) == pytest.approx(taken_again, rel=0.1)  # edges leak in
