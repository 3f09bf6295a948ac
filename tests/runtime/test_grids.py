"""Fields resized: means when they shrink, nothing beyond their range when they grow."""

from __future__ import annotations

import numpy as np
from lunar_runtime.geometry.fields import half, resized


def test_half_takes_means_and_rounds_up():
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_allclose(half(values)[0], [3.5, 5.5, 7.5])
    assert half(values[:3, :5]).shape == (2, 3)


def test_a_plane_stays_one_when_it_grows_and_nothing_overshoots():
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


def test_the_same_shape_is_the_same_field():
    values = np.ones((5, 7), np.float32)
    assert resized(values, (5, 7)) is values
