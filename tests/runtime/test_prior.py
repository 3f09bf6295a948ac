"""The prior against planes and relief that are known."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import SIGMA_PER_MAD
from lunar_runtime.refinement.prior import beyond_errors, fit_prior, relief_bands

from .scenes import flat_scene, hilly_scene

PLANE = flat_scene()
RAYS = PLANE.views().left.rays()
EVERYWHERE = np.ones(RAYS.shape[:2], np.float32)


def departing(apart: float) -> Field:
    """(128, 128) whose values a tenth of the width apart differ by so many sigmas of 0.01."""
    tile = np.arange(128) // 13
    sign = (-1.0) ** (tile[:, None] + tile)
    return np.asarray(sign * apart * 0.01 * np.sqrt(2) / (2 * SIGMA_PER_MAD), np.float32)


def test_convention_a_planes_inverse_depth_is_its_prior_exactly() -> None:
    """Affine in the pixel, positive, baseline / Z."""
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    np.testing.assert_allclose(prior.inverse_depth, PLANE.inverse_depth, rtol=1e-6)  # float32
    assert prior.sigma == 1e-3  # the least that is claimed
    assert prior.relief_gain is None


def test_incidence_is_the_angle_between_ray_and_plane() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    unit = RAYS / np.linalg.norm(RAYS, axis=-1, keepdims=True)
    np.testing.assert_allclose(prior.incidence, -unit @ PLANE.ground.normal, atol=1e-4)  # float32


def test_a_third_of_wrong_measurements_does_not_move_the_plane() -> None:
    rng = np.random.default_rng(0)
    measured = PLANE.inverse_depth.copy()
    wrong = rng.random(measured.shape) < 0.3
    measured[wrong] *= rng.uniform(0.5, 2, np.count_nonzero(wrong)).astype(np.float32)
    prior = fit_prior(RAYS, measured, EVERYWHERE, None)
    # The Cauchy weight never quite forgets: a tenth of a percent.
    np.testing.assert_allclose(prior.inverse_depth, PLANE.inverse_depth, rtol=1e-3)


def test_what_is_not_trusted_does_not_count() -> None:
    measured, trust = PLANE.inverse_depth.copy(), EVERYWHERE.copy()
    measured[:, :100], trust[:, :100] = 9.0, 0.0
    prior = fit_prior(RAYS, measured, trust, None)
    np.testing.assert_allclose(prior.inverse_depth, PLANE.inverse_depth, rtol=1e-5)


def test_sigma_is_the_measurements_own_scatter() -> None:
    noise = np.random.default_rng(0).normal(1, 0.02, EVERYWHERE.shape)
    prior = fit_prior(RAYS, (PLANE.inverse_depth * noise).astype(np.float32), EVERYWHERE, None)
    assert prior.sigma == pytest.approx(0.02, rel=0.05)  # of 10 000 samples


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (1.0, (0.8, 1.0)),
        (0.5, (0.64, 0.85)),  # it knows this ground: in part it is believed as it is
        (0.31, (0.579, 0.793)),  # there is no step between the two
        (0.29, (0.563, 0.771)),
        (0.1, (0.237, 0.31)),  # of what is hardly foretold, less
        (20.0, (0.0, 0.0)),  # at no scale of this ground
        (0.0, (0.0, 0.0)),
        (-1.0, (0.0, 0.0)),
    ],
)
def test_relief_is_believed_as_far_as_it_foretells_the_measured_one(
    gain: float, expected: tuple[float, float]
) -> None:
    """Of one scale and tilt or another: only its departure from its own plane counts."""
    hills = hilly_scene().inverse_depth
    bands = relief_bands(RAYS, 7 * hills)
    measured = PLANE.inverse_depth * (1 + np.float32(gain) * (bands[0] + bands[1]))
    prior = fit_prior(RAYS, measured.astype(np.float32), EVERYWHERE, bands)
    assert prior.relief_gain is not None
    # Relief over the median, not over its own place: as the tilt makes it differ, some percent.
    np.testing.assert_allclose(
        prior.relief_gain, expected, rtol=0.05, atol=0.1 if gain > 0.5 else 0.05
    )
    if gain == 1:
        np.testing.assert_allclose(prior.inverse_depth, measured, rtol=5e-3)


def test_bands_add_up_to_the_departure_from_the_plane() -> None:
    hills = hilly_scene().inverse_depth
    coarse, fine = relief_bands(RAYS, hills)
    plane_coarse, plane_fine = relief_bands(RAYS, PLANE.inverse_depth)
    np.testing.assert_allclose(plane_coarse + plane_fine, 0, atol=1e-6)  # float32
    expected = (hills - PLANE.inverse_depth) / np.median(hills)
    # The robust plane of the hills is not the ground's own to the last tenth of them.
    assert np.corrcoef((coarse + fine).ravel(), expected.ravel())[0, 1] > 0.98


def test_a_hole_in_the_networks_map_is_no_step_of_its_relief() -> None:
    """Beside a hole that held nothing, the relief itself would be the step."""
    hills = hilly_scene().inverse_depth.copy()
    before = np.add(*relief_bands(RAYS, hills))
    hills[40:72, 50:90] = np.nan
    total = np.add(*relief_bands(RAYS, hills))
    assert np.isfinite(total).all()
    smooth = np.abs(np.diff(before[:, 50:90], axis=0)).max()
    across = np.abs(np.diff(total[:, 50:90], axis=0))[[39, 71]]
    assert across.max() < 1.1 * smooth
    assert np.abs(before[[40, 71], 50:90]).max() > 4 * smooth  # and without that it would be seen


def test_a_silent_network_has_no_relief() -> None:
    nothing = np.full_like(EVERYWHERE, np.nan)
    for band in relief_bands(RAYS, nothing):
        assert not band.any()


def test_a_network_without_relief_has_no_gain() -> None:
    nothing: list[Field] = [np.zeros_like(EVERYWHERE), np.zeros_like(EVERYWHERE)]
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, nothing)
    assert prior.relief_gain == (0.0, 0.0)
    np.testing.assert_allclose(prior.inverse_depth, PLANE.inverse_depth, rtol=1e-6)


def test_the_prior_stays_positive_beyond_the_horizon() -> None:
    """A plane's inverse depth falls through zero there."""
    oblique = (0.25 + 0.8 * RAYS[..., 1]).astype(np.float32)
    trust = np.where(oblique > 0.05, np.float32(1), np.float32(0))
    prior = fit_prior(RAYS, oblique, trust, None)
    assert prior.inverse_depth.min() > 0
    assert prior.incidence.min() == np.float32(0.1)


def test_errors_beyond_what_was_decided_grow_with_the_distance_and_start_at_zero() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    level = prior._replace(sigma=0.01, incidence=np.ones_like(prior.incidence))
    decided = np.zeros((128, 128), bool)
    decided[:, :64] = True
    errors = beyond_errors(level, departing(0.5), decided, 8)
    assert errors.shape == (8, 128, 128)
    assert not errors[:, :, :64].any()
    spread = np.sqrt(np.mean(errors**2, axis=0))
    # 24 / 4 of the prior's own deviations for a whole image's width. Distances by a mask of three
    # pixels are up to 5 % short.
    np.testing.assert_allclose(spread[:, -1], 6.0 * 0.01 / 2, rtol=0.06)
    np.testing.assert_allclose(np.diff(spread[:, 64:], axis=1), 6.0 * 0.01 / 128, rtol=0.06)
    again = beyond_errors(level, departing(0.5), decided, 8)
    np.testing.assert_array_equal(errors, again)  # seeded


def test_errors_beyond_grow_with_the_square_of_how_rough_the_departure_is() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    level = prior._replace(sigma=0.01, incidence=np.ones_like(prior.incidence))
    decided = np.zeros((128, 128), bool)
    decided[:, :64] = True

    def last(apart: float) -> float:
        return float(np.abs(beyond_errors(level, departing(apart), decided, 8)).max())

    assert last(0.6) == pytest.approx(last(0.4) * 2.25, rel=0.05)
    assert last(0.0) == pytest.approx(last(0.3), rel=0.05)  # none is surer than 0.3 of sigma
    assert last(5.0) == pytest.approx(last(0.8), rel=0.05)  # nor less sure than 0.8 of it


def test_errors_beyond_are_the_typical_ones_where_too_little_tells() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    level = prior._replace(sigma=0.01, incidence=np.ones_like(prior.incidence))
    decided = np.zeros((128, 128), bool)
    decided[:, :3] = True  # narrower than the distance that departures are compared over
    decided[3:] = False
    spread = np.sqrt(np.mean(beyond_errors(level, departing(0.8), decided, 8) ** 2, axis=0))
    far = 125 / 128
    np.testing.assert_allclose(spread[0, -1], 24 * 0.45**2 * 0.01 * far, rtol=0.06)


def test_errors_beyond_grow_faster_where_the_ground_is_seen_obliquely() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    incidence = np.ones_like(prior.incidence)
    incidence[:64] = 0.5
    decided = np.zeros((128, 128), bool)
    decided[64:, :32] = True  # what is decided is seen from straight above
    oblique = prior._replace(sigma=0.01, incidence=incidence)
    spread = np.abs(beyond_errors(oblique, departing(0.5), decided, 8)).max(axis=0)
    level = prior._replace(sigma=0.01, incidence=np.ones_like(incidence))
    straight = np.abs(beyond_errors(level, departing(0.5), decided, 8)).max(axis=0)
    np.testing.assert_allclose(spread[:60], 4 * straight[:60], rtol=1e-5)
    np.testing.assert_allclose(spread[80:], straight[80:], rtol=1e-5)


def test_where_nothing_was_decided_all_is_a_width_away() -> None:
    prior = fit_prior(RAYS, PLANE.inverse_depth, EVERYWHERE, None)
    level = prior._replace(sigma=0.01, incidence=np.ones_like(prior.incidence))
    errors = beyond_errors(level, departing(0.5), np.zeros((128, 128), bool), 8)
    typical = 24 * 0.45**2 * 0.01
    np.testing.assert_allclose(np.sqrt(np.mean(errors**2, axis=0)), typical, rtol=1e-5)
