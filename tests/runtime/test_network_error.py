"""Confidence is expected error, on one scale for networks and images."""

from __future__ import annotations

import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.bundles.bundle import default_bundle_path
from lunar_runtime.inference.network_error import (
    UNKNOWN_DEPTH_ERROR,
    confidence_of,
    depth_error_of,
    network_sigma,
)


def test_the_packaged_network_is_measured_and_a_foreign_one_is_not() -> None:
    record = Bundle.open(default_bundle_path()).manifest.student
    assert depth_error_of(record) == 0.045
    assert 2 * depth_error_of(record) < UNKNOWN_DEPTH_ERROR


def test_confidence_is_one_and_a_hundredth_over_sigma() -> None:
    sigma = np.array([0.1, 0.01, 0.001], np.float32)
    np.testing.assert_allclose(confidence_of(sigma), [1.1, 2, 11], rtol=1e-6)


def test_a_networks_order_is_kept_and_its_level_is_not() -> None:
    own = np.random.default_rng(0).uniform(1, 20, (16, 16)).astype(np.float32)
    one, other = (network_sigma(scale * own, 0.05) for scale in (1, 100))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_array_equal(np.argsort(one, axis=None), np.argsort(-own, axis=None))


def test_a_network_is_never_as_sure_as_what_images_measured() -> None:
    own = np.array([[1, 1, 1e9]], np.float32)
    assert confidence_of(network_sigma(own, 1e-6)).max() <= 1.5


def test_what_is_not_finite_stays_so_and_hides_nothing() -> None:
    own = np.array([[np.nan, 2, 2]], np.float32)
    sigma = network_sigma(own, 0.05)
    assert np.isnan(sigma[0, 0])
    np.testing.assert_allclose(sigma[0, 1:], np.hypot(0.05, 0.02), rtol=1e-6)
