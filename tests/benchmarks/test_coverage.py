"""Expected errors against real ones."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_bench.refinement.coverage import Covered, PairCoverage, covered
from lunar_bench.report.coverage_text import pair_lines
from lunar_bench.report.headlines import coverage

RANDOM = np.random.default_rng(0)
SIGMA = np.exp(RANDOM.normal(0, 1, 20_000))
ERROR = RANDOM.normal(0, SIGMA)


def test_errors_as_expected_are_within_one_and_two_sigmas_as_a_gaussians_are() -> None:
    found = covered(ERROR, SIGMA)
    assert found is not None
    # Of 20 000 draws: shares to half a percent.
    assert found.one_sigma == pytest.approx(0.683, abs=0.015)
    assert found.two_sigma == pytest.approx(0.954, abs=0.01)
    assert found.ratio == pytest.approx(1, abs=0.03)
    assert found.ranking > 0.5


def test_sigmas_of_half_the_size_cover_less_and_rank_alike() -> None:
    half, whole = covered(ERROR, SIGMA / 2), covered(ERROR, SIGMA)
    assert half is not None
    assert whole is not None
    assert half.two_sigma == whole.one_sigma
    assert half.ratio == pytest.approx(2 * whole.ratio, rel=1e-3)
    assert half.ranking == whole.ranking


def test_pixels_without_an_error_or_a_sigma_do_not_count() -> None:
    missing = np.full(1000, np.nan)
    found = covered(np.append(ERROR, missing), np.append(SIGMA, np.ones(1000)))
    assert found is not None
    assert found.one_sigma == covered(ERROR, SIGMA).one_sigma  # type: ignore[union-attr]
    assert covered(ERROR[:1000], SIGMA[:1000]) is None


def test_a_pair_is_a_line_and_says_why_it_has_no_figures() -> None:
    one = Covered(0.7, 0.94, 0.9, 0.3)
    (line,) = pair_lines(PairCoverage("a", "rig", None, {"depth inside": one}))
    assert line.split() == ["a", "rig", "0.70", "0.94", "+0.30"]
    (line,) = pair_lines(PairCoverage("a", "rig", "relative", {}))
    assert line.split() == ["a", "rig", "relative"]


def test_the_headline_tells_the_shares_with_the_rig() -> None:
    rows = {"rig": {"depth inside": {"one_sigma": 0.7, "two_sigma": 0.94}}}
    pairs = [{"pair": "a", "reason": None}, {"pair": "a", "reason": None}]
    text = coverage({"means": rows, "pairs": pairs})
    assert text == "1 pairs, within one / two sigmas: depth inside 70 / 94 %"
