"""Fields resized: means when they shrink, nothing beyond their range when they grow."""

from __future__ import annotations

import numpy as np
from lunar_runtime.geometry.fields import blurred, filled, half, resized


def test_half_takes_means_and_rounds_up() -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_allclose(half(values)[0], [3.5, 5.5, 7.5])
    assert half(values[:3, :5]).shape == (2, 3)


def test_a_plane_stays_one_when_it_grows_and_nothing_overshoots() -> None:
    y, x = np.mgrid[:12, :16].astype(np.float32)
    plane = 2 * (x + 0.5) + 3 * (y + 0.5)
    grown = resized(plane, (24, 32))
    y, x = np.mgrid[:24, :32].astype(np.float32)
    np.testing.assert_allclose(
        grown[1:-1, 1:-1], (x + 0.5 + 1.5 * (y + 0.5))[1:-1, 1:-1], atol=1e-4
    )
    step = np.zeros((8, 8), np.float32)
    step[:, 4:] = 1
    assert resized(step, (16, 16)).min() == 0 and resized(step, (16, 16)).max() == 1


def test_the_same_shape_is_the_same_field() -> None:
    values = np.ones((5, 7), np.float32)
    assert resized(values, (5, 7)) is values


def test_a_blur_is_a_gaussian_of_that_sigma_and_keeps_the_mean() -> None:
    point = np.zeros((61, 61), np.float32)
    point[30, 30] = 1
    found = blurred(point, 3.0)
    assert np.isclose(found.sum(), 1, atol=1e-5)
    offset = np.arange(61) - 30
    # The kernel ends at four sigmas and is sampled: a thousandth of the variance.
    assert np.isclose((found.sum(axis=0) * offset**2).sum(), 9, rtol=2e-3)
    np.testing.assert_allclose(blurred(np.full((9, 9), 7, np.float32), 3.0), 7, rtol=1e-6)


def test_a_hole_in_a_plane_is_filled_from_its_rim() -> None:
    rows, columns = np.mgrid[:40, :48].astype(np.float32)
    plane = 2 * columns + 3 * rows
    known = np.ones(plane.shape, bool)
    known[12:20, 10:22] = False
    known[:, 44:] = False  # and one that goes to the edge
    holed = np.where(known, plane, np.float32(1e6))
    found = filled(holed, known)
    np.testing.assert_array_equal(found[known], plane[known])
    assert found.min() >= plane[known].min() and found.max() <= plane[known].max()
    # Means of the two sides: within two pixels' steps of the plane it is cut from.
    assert np.abs(found - plane)[12:20, 10:22].max() < 2 * (2 + 3)
    assert filled(plane, np.ones_like(known)) is plane
