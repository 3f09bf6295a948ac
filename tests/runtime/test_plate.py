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
STRONG = (
    4e6  # information of a node, of four pixels that are each known to a thousandth of its depth
)


START = np.zeros((64, 64), np.float32)


def plate(height: int = 128, width: int = 128) -> Plate:
    return Plate(height, width, (140.8 / 0.14) ** 2)


def prior(height: int = 64, width: int = 64, sigma: float = 0.02) -> Prior:
    """Level ground, seen from straight above."""
    one = np.ones((height, width), np.float32)
    return Prior(0.25 * one, sigma, one, None)


def measured(departure: Field, weight: float | Field = STRONG) -> Information:
    """That many hundredths and so on away from the prior, everywhere."""
    weights = np.broadcast_to(np.asarray(weight, np.float32), departure.shape)
    return Information(np.array(weights), weights * departure)


def waves(height: int = 64, width: int = 64, pixels: float = 30.0) -> Field:
    """One percent of relief, on the plate's grid."""
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
    solution = plate().solve(prior(), plate().even(), measured(waves()), START)
    # At 4e6 a node the stiffness bends waves of 30 nodes by 1 %.
    np.testing.assert_allclose(solution.departure, waves(), atol=0.06 * 0.01)


def test_where_nothing_is_measured_the_prior_stays() -> None:
    solution = plate().solve(prior(), plate().even(), measured(START, 0.0), START)
    np.testing.assert_allclose(solution.departure, 0, atol=1e-6)  # float32
    before = np.full((128, 128), 0.25, np.float32)
    np.testing.assert_allclose(plate().surface(before, solution.departure), before, rtol=1e-6)


def test_a_solution_that_is_right_already_stays() -> None:
    solution = plate().solve(prior(), plate().even(), measured(waves()), waves())
    np.testing.assert_allclose(solution.departure, waves(), atol=1e-3)  # 6 % of 1 % of relief


def test_a_step_is_carried_across_without_a_seam() -> None:
    """Half of the view is known to be 1 % nearer; the other half follows, less and less."""
    weight = np.zeros((64, 64), np.float32)
    weight[:, :32] = STRONG
    known = Information(weight, weight * np.float32(0.01))
    column = plate().solve(prior(), plate().even(), known, START).departure.mean(axis=0)
    assert column[:30].min() > 0.0095
    assert np.abs(np.diff(column)).max() < 0.001  # no seam: a tenth of the step in two pixels


@pytest.mark.parametrize("sigma", [0.002, 0.02])
def test_a_departure_fades_over_a_quarter_of_the_width_however_good_the_prior_is(
    sigma: float,
) -> None:
    """At the distance of two such lengths a level one has gone, at half of one it has not."""
    weight = np.zeros((64, 64), np.float32)
    weight[:, :16] = STRONG
    known = Information(weight, weight * np.float32(0.01))
    solution = plate().solve(prior(sigma=sigma), plate().even(), known, START, 9)
    column = solution.departure.mean(axis=0)
    length = 64 / 4
    # Seen: 0.0087 and 0.0023.
    assert column[int(16 + length / 2)] > 0.008
    assert abs(column[int(16 + 2 * length)]) < 0.003


def test_convention_information_times_departure_is_the_pull() -> None:
    """More inverse depth than the prior's is nearer ground."""
    near = measured(np.full((64, 64), 0.01, np.float32))
    solution = plate().solve(prior(), plate().even(), near, START)
    before = np.full((128, 128), 0.25, np.float32)
    assert np.all(plate().surface(before, solution.departure) > before)


def test_the_same_input_gives_the_same_solution_and_is_left_alone() -> None:
    information, start = measured(waves()), waves() * np.float32(0.5)
    before = [values.copy() for values in (*information, start)]
    first = plate().solve(prior(), plate().even(), information, start)
    plate().solve(
        prior(), first.slack, measured(-waves()), first.departure
    )  # leaves nothing behind
    second = plate().solve(prior(), plate().even(), information, start)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    for given, kept in zip((*information, start), before, strict=True):
        np.testing.assert_array_equal(given, kept)


def test_the_plate_relaxes_where_it_bends() -> None:
    bent = waves()
    bent[:, :32] = 0  # smooth on the left, hills on the right
    slack = plate().solve(prior(), plate().even(), measured(bent), START).slack
    # sqrt(1 + energy / median): measured 1.9 times.
    assert slack[:, 40:].mean() > 1.5 * slack[:, :24].mean()
    assert np.median(slack) == pytest.approx(1)


def test_ground_seen_obliquely_makes_the_plate_less_stiff() -> None:
    """By the square of the cosine of incidence: 60 deg are a quarter."""
    oblique = prior()._replace(incidence=np.full((64, 64), 0.5, np.float32))
    information = measured(waves())
    straight = plate().solve(prior(), plate().even(), information, START)
    tilted = plate().solve(oblique, plate().even(), information, START)
    np.testing.assert_allclose(tilted.compliance, 4 * straight.compliance, rtol=1e-6)


def test_draws_are_the_same_every_time_and_spread_about_zero() -> None:
    information = measured(waves())
    one, other = (
        plate().draw(prior(), plate().even(), information, plate().noise(8)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    assert one.shape == (8, 64, 64)
    # A mean of 8 × 4096 correlated errors: well below one of them.
    assert abs(one.mean()) < 0.2 * one.std()


def test_more_information_is_less_expected_error() -> None:
    def sigma(weight: float) -> float:
        draws = plate().draw(prior(), plate().even(), measured(waves(), weight), plate().noise(8))
        return float(np.median(plate().sigma(draws)))

    assert sigma(1e6) < sigma(1e4) / 2 < sigma(1e2)


def test_without_measurements_the_expected_error_is_about_the_priors() -> None:
    draws = plate().draw(prior(sigma=0.02), plate().even(), measured(START, 0.0), plate().noise(8))
    # Its errors are the prior's own: by a factor of two, of eight draws.
    assert 0.01 < np.median(plate().sigma(draws)) < 0.04


@pytest.mark.parametrize("shape", [(127, 128), (128, 101), (97, 99)])
def test_odd_sizes_have_every_pixel(shape: tuple[int, int]) -> None:
    one, before = plate(*shape), prior(*plate(*shape).shape)
    relief = waves(*shape, pixels=60.0)
    weights = np.full(shape, STRONG / 4, np.float32)
    information = Information(one.summed(weights), one.summed(weights * relief))
    solution = one.solve(before, one.even(), information, np.zeros(one.shape, np.float32))
    surface = one.surface(np.full(shape, 0.25, np.float32), solution.departure)
    assert surface.shape == shape
    # The edge bends freely.
    np.testing.assert_allclose(surface / 0.25 - 1, relief, atol=0.1 * 0.01)
    draws = one.draw(before, solution.compliance, information, one.noise(8))
    assert one.sigma(draws).shape == shape
    assert np.isfinite(one.sigma(draws)).all()
