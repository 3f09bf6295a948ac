"""Each figure against a distribution whose true value is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from lunar_bench.timing.statistics import holm, mann_whitney, ratio, slope, summarise


def test_percentiles_of_a_known_distribution() -> None:
    # Exponential with mean 10: the p-th percentile is -10 ln(1 - p).
    times = np.random.default_rng(0).exponential(10.0, 200_000)
    found = summarise(times.tolist())
    for value, p in (
        (found.median_ms, 0.5),
        (found.p90_ms, 0.9),
        (found.p99_ms, 0.99),
        (found.p999_ms, 0.999),
    ):
        # Its standard error is 10 sqrt(p / (1 - p) / n); four of them.
        allowed = 40 * math.sqrt(p / (1 - p) / len(times))
        assert value == pytest.approx(-10 * math.log(1 - p), abs=allowed)
    assert found.max_ms == pytest.approx(times.max(), abs=1e-3)
    # The absolute difference of two exponentials is one too, with the same mean.
    assert found.jitter_ms == pytest.approx(10.0, rel=0.02)


def test_a_percentile_that_a_series_is_too_short_for_is_absent() -> None:
    short = summarise([1.0] * 9)
    assert (short.p90_ms, short.p99_ms, short.p999_ms) == (None, None, None)
    assert summarise([1.0] * 10).p90_ms == 1.0
    assert summarise([1.0] * 99).p99_ms is None
    assert summarise([1.0] * 100).p99_ms == 1.0
    assert summarise([1.0] * 999).p999_ms is None
    assert summarise([1.0] * 1000).p999_ms == 1.0
    assert summarise([1.0]).jitter_ms is None


def test_jitter_is_between_neighbours_and_not_the_spread() -> None:
    assert summarise([1.0, 2.0, 3.0, 4.0]).jitter_ms == 1.0
    assert summarise([1.0, 4.0, 1.0, 4.0]).jitter_ms == 3.0


def test_the_ratio_is_taken_round_by_round() -> None:
    # A machine that slows down twofold each round does not change what the two cost each other.
    assert ratio([10.0, 20.0, 400.0], [20.0, 40.0, 80.0]).value == 0.5
    assert ratio([20.0, 40.0, 10.0], [20.0, 80.0, 40.0]).value == 0.5  # of 1, 0.5, 0.25


def test_the_interval_of_a_ratio_holds_the_truth_nineteen_times_in_twenty() -> None:
    # Both share a drifting machine (+-50 %); a takes 0.8 of b, each with 10 % noise of its own.
    rng = np.random.default_rng(1)
    inside = 0
    for trial in range(100):
        machine = 1 + 0.5 * np.sin(np.linspace(0, 7, 60) + trial)
        a, b = (machine * rng.lognormal(0, 0.1, 60) for _ in range(2))
        found = ratio(0.8 * a, b, seed=trial)
        assert found.low is not None and found.high is not None
        inside += found.low <= 0.8 <= found.high
        assert found.high - found.low < 0.2
    # Binomial with p = 0.95: below 84 of 100 once in 60 000; the bootstrap is a little narrow.
    assert inside >= 84


def test_too_few_rounds_have_no_interval() -> None:
    assert ratio([1.0] * 4, [2.0] * 4) == (0.5, None, None)
    assert ratio([1.0] * 5, [2.0] * 5) == (0.5, 0.5, 0.5)


def test_the_exact_test_counts_the_orders() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=4), rng.normal(0.7, size=5)
    values = np.concatenate((a, b))
    sums = [sum(values.argsort().argsort()[list(c)]) for c in itertools.combinations(range(9), 4)]
    own, middle = sum(values.argsort().argsort()[:4]), 4 * 8 / 2
    more_extreme = np.mean(np.abs(np.array(sums) - middle) >= abs(own - middle))
    assert mann_whitney(a, b) == pytest.approx(more_extreme, abs=1e-12)
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)


def test_equal_distributions_are_called_different_as_often_as_agreed() -> None:
    rng = np.random.default_rng(3)
    for size in (8, 60):
        p = np.array(
            [mann_whitney(rng.gamma(2, size=size), rng.gamma(2, size=size)) for _ in range(300)]
        )
        # Binomial: 300 trials at 5 % give 15 with a deviation of 3.8; four of them.
        assert np.count_nonzero(p < 0.05) <= 30


def test_drift_within_a_run_is_not_taken_for_a_difference_between_runs() -> None:
    # Two runs of one AR(1) process: neighbouring times are alike, so their means wander.
    rng = np.random.default_rng(4)

    def run() -> np.ndarray:
        x = np.zeros(100)
        for i in range(1, 100):
            x[i] = 0.8 * x[i - 1] + rng.normal()
        return x

    false = sum(mann_whitney(run(), run()) < 0.01 for _ in range(300))
    assert false <= 15  # 5 %; a test for independent values calls a third of these different


def test_a_shift_is_found() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(0, 0.05, 40), rng.lognormal(0.1, 0.05, 40)
    assert mann_whitney(a, b) < 1e-6
    assert mann_whitney([1.0] * 30, [1.0] * 30) == 1.0


def test_holm_multiplies_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_leak_is_found_among_noise_and_outliers() -> None:
    rng = np.random.default_rng(6)
    hours = np.linspace(0, 0.5, 3000)
    memory = 200 + 12 * hours + rng.normal(0, 0.5, 3000)
    memory[::50] += 80  # a garbage collection that was late
    found = slope(hours, memory)
    assert found.low is not None and found.high is not None
    assert found.low <= 12 <= found.high
    assert found.value == pytest.approx(12, abs=1.0)  # least squares is tilted by more than that


def test_no_leak_has_an_interval_around_zero() -> None:
    rng = np.random.default_rng(7)
    found = slope(np.arange(200.0), 100 + rng.normal(0, 1, 200))
    assert found.low is not None and found.high is not None
    assert found.low < 0 < found.high
