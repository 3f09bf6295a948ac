"""The plate: a surface through measurements, the prior elsewhere, and how sure both are."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import CameraEstimate, View
from lunar_runtime.refinement.plate import Information, Plate
from lunar_runtime.refinement.prior import Prior

from .scenes import hilly_scene

SCENE = hilly_scene()
STRONG = 1e6  # information of a pixel that is known to a thousandth of its depth


def plate(height: int = 128, width: int = 128) -> Plate:
    return Plate(height, width, (140.8 / 0.14) ** 2)


def prior(height: int = 128, width: int = 128, sigma: float = 0.02) -> Prior:
    """Level ground, seen from straight above."""
    one = np.ones((height, width), np.float32)
    return Prior(0.25 * one, sigma, one, None)


def measured(departure: Field, weight: float | Field = STRONG) -> Information:
    """That many hundredths and so on away from the prior, everywhere."""
    weights = np.broadcast_to(np.asarray(weight, np.float32), departure.shape)
    return Information(np.array(weights), weights * departure)


def waves(height: int = 128, width: int = 128, pixels: float = 60.0) -> Field:
    """One percent of relief."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    k = np.float32(2 * np.pi / pixels)
    return np.asarray(np.float32(0.01) * np.sin(k * x) * np.cos(k * y), np.float32)


def test_a_plate_is_as_stiff_as_the_focal_length_is_long() -> None:
    grey = np.zeros((20, 30), np.uint8)
    short, long = (
        Plate.of(View(grey, CameraEstimate(Intrinsics(f, f, 15, 10), "rig"))) for f in (100, 200)
    )
    assert (short.height, short.width) == (20, 30)
    assert long.stiffness == pytest.approx(4 * short.stiffness)


def test_what_is_measured_everywhere_is_the_surface() -> None:
    solution = plate().solve(prior(), plate().even(), measured(waves()), prior().inverse_depth)
    departure = solution.surface / prior().inverse_depth - 1
    # At 1e6 a pixel the stiffness bends waves of 60 px by 1 %; half the resolution does as much.
    np.testing.assert_allclose(departure, waves(), atol=0.06 * 0.01)


def test_where_nothing_is_measured_the_prior_stays() -> None:
    nothing = measured(np.zeros((128, 128), np.float32), 0.0)
    solution = plate().solve(prior(), plate().even(), nothing, prior().inverse_depth)
    np.testing.assert_allclose(solution.surface, prior().inverse_depth, rtol=1e-6)  # float32


def test_a_solution_that_is_right_already_stays() -> None:
    right = (prior().inverse_depth * (1 + waves())).astype(np.float32)
    solution = plate().solve(prior(), plate().even(), measured(waves()), right)
    np.testing.assert_allclose(solution.surface / right, 1, atol=1e-3)  # 6 % of 1 % of relief


def test_a_step_is_carried_across_without_a_seam() -> None:
    """Half of the view is known to be 1 % nearer; the other half follows, less and less."""
    weight = np.zeros((128, 128), np.float32)
    weight[:, :64] = STRONG
    departure = np.full((128, 128), 0.01, np.float32)
    one = plate().solve(
        prior(), plate().even(), Information(weight, weight * departure), prior().inverse_depth
    )
    column = (one.surface / prior().inverse_depth - 1).mean(axis=0)
    assert column[:60].min() > 0.0095
    assert np.abs(np.diff(column)).max() < 0.0005  # no seam: a twentieth of the step


def test_convention_information_times_departure_is_the_pull() -> None:
    """More inverse depth than the prior's is nearer ground."""
    near = measured(np.full((128, 128), 0.01, np.float32))
    solution = plate().solve(prior(), plate().even(), near, prior().inverse_depth)
    assert np.all(solution.surface > prior().inverse_depth)


def test_the_same_input_gives_the_same_solution_and_is_left_alone() -> None:
    information, start = measured(waves()), prior().inverse_depth
    before = [values.copy() for values in (*information, start)]
    first = plate().solve(prior(), plate().even(), information, start)
    plate().solve(prior(), first.slack, measured(-waves()), first.surface)  # leaves nothing behind
    second = plate().solve(prior(), plate().even(), information, start)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip((*information, start), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_plate_relaxes_where_it_bends() -> None:
    bent = waves()
    bent[:, :64] = 0  # smooth on the left, hills on the right
    slack = plate().solve(prior(), plate().even(), measured(bent), prior().inverse_depth).slack
    # sqrt(1 + energy / median): measured 1.9 times.
    assert slack[:, 40:].mean() > 1.5 * slack[:, :24].mean()
    assert np.median(slack) == pytest.approx(1)


def test_ground_seen_obliquely_makes_the_plate_less_stiff() -> None:
    """By the square of the cosine of incidence: 60 deg are a quarter."""
    oblique = prior()._replace(incidence=np.full((128, 128), 0.5, np.float32))
    information = measured(waves())
    straight = plate().solve(prior(), plate().even(), information, prior().inverse_depth)
    tilted = plate().solve(oblique, plate().even(), information, prior().inverse_depth)
    np.testing.assert_allclose(tilted.compliance, 4 * straight.compliance, rtol=1e-6)


def test_draws_are_the_same_every_time_and_spread_about_zero() -> None:
    information = measured(waves())
    one, other = (plate().draw(prior(), plate().even(), information, 8) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (8, 64, 64)
    # A mean of 8 × 4096 correlated errors: well below one of them.
    assert abs(one.mean()) < 0.2 * one.std()


def test_more_information_is_less_expected_error() -> None:
    def sigma(weight: float) -> float:
        draws = plate().draw(prior(), plate().even(), measured(waves(), weight), 8)
        return float(np.median(plate().sigma(draws)))

    assert sigma(1e6) < sigma(1e4) / 2 < sigma(1e2)


def test_without_measurements_the_expected_error_is_about_the_priors() -> None:
    nothing = measured(np.zeros((128, 128), np.float32), 0.0)
    draws = plate().draw(prior(sigma=0.02), plate().even(), nothing, 8)
    # Its errors are the prior's own: by a factor of two, of eight draws.
    assert 0.01 < np.median(plate().sigma(draws)) < 0.04


@pytest.mark.parametrize("shape", [(127, 128), (128, 101), (97, 99)])
def test_odd_sizes_have_every_pixel(shape: tuple[int, int]) -> None:
    one, before = plate(*shape), prior(*shape)
    information = measured(waves(*shape))
    solution = one.solve(before, one.even(), information, before.inverse_depth)
    departure = solution.surface / before.inverse_depth - 1
    assert departure.shape == shape
    np.testing.assert_allclose(departure, waves(*shape), atol=0.1 * 0.01)  # the edge bends freely
    draws = one.draw(before, solution.compliance, information, 8)
    assert one.sigma(draws).shape == shape
    assert np.isfinite(one.sigma(draws)).all()
