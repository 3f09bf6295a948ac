"""Expected errors against real ones."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_bench.accuracy.told_rigs import erring_pair, exact_rig
from lunar_bench.refinement.coverage import Coverage, Covered, PairCoverage, covered
from lunar_bench.report.coverage_text import mean_lines, pair_lines
from lunar_bench.report.headlines import coverage
from lunar_bench.sensors.machine import describe_machine
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import Rig
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.refinement.told_numbers import TOLD

RANDOM = np.random.default_rng(0)
SIGMA = np.exp(RANDOM.normal(0, 1, 20_000))
ERROR = RANDOM.normal(0, SIGMA)
CAMERA = Intrinsics(100.0, 100.0, 32.0, 32.0)
POSE = np.eye(4)
POSE[:3, 3] = (100.0, 20.0, -5.0)
GREY = np.zeros((64, 64), np.uint8)
PAIR = KnownPair("a", GREY, GREY, np.ones((64, 64), np.float32), CAMERA, CAMERA, POSE)


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
    assert text == "1 pairs, told exactly, within one / two sigmas: depth inside 70 / 94 %"


def test_an_erring_rig_is_off_as_told_numbers_are_and_says_so() -> None:
    pairs = [replace(PAIR, name=str(number)) for number in range(400)]
    rigs = [erring_pair(pair).rig for pair in pairs]
    focal = [rig.left.fx / PAIR.camera_left.fx - 1 for rig in rigs if rig.left is not None]
    assert len(focal) == 400
    # Of 400 draws: a standard deviation to 4 %, three of them.
    assert np.std(focal) == pytest.approx(TOLD["focal"], rel=0.12)
    assert all(rig.focal_sigma == TOLD["focal"] for rig in rigs)
    turned, aside = [], []
    for rig in rigs:
        assert rig.right_from_left is not None
        R, t = rig.right_from_left[:3, :3], rig.right_from_left[:3, 3]
        turned.append(np.linalg.norm(cv2.Rodrigues(R @ PAIR.right_from_left[:3, :3].T)[0]))
        assert np.linalg.norm(t) == pytest.approx(np.linalg.norm(PAIR.right_from_left[:3, 3]))
        true = PAIR.right_from_left[:3, 3] / np.linalg.norm(t)
        aside.append(np.linalg.norm(np.cross(true, t / np.linalg.norm(t))))
    rms = np.degrees(np.sqrt([np.mean(np.square(turned)), np.mean(np.square(aside))]))
    np.testing.assert_allclose(rms, Rig().pose_sigma_deg, rtol=0.15)


def test_the_same_pair_is_told_the_same_and_an_exact_rig_is_true() -> None:
    one, other = erring_pair(PAIR), erring_pair(PAIR)
    assert one.rig.left == other.rig.left
    assert one.altitude == other.altitude != 1
    exact = exact_rig(PAIR)
    assert exact.rig.left == PAIR.camera_left
    assert exact.altitude == 1
    assert exact.cameras.right_from_left is None


def test_poses_that_are_far_beyond_their_errors_are_counted() -> None:
    one = {"depth inside": Covered(0.7, 0.94, 0.9, 0.3)}
    pairs = [
        PairCoverage("a", "baseline", None, one, "measured", 0.8),
        PairCoverage("b", "baseline", None, one, "measured", 30.0),
        PairCoverage("c", "baseline", None, one, "guessed", 70.0),
        PairCoverage("d", "baseline", None, one, "guessed", None),
    ]
    result = Coverage(
        "some", "", erring=False, means={"baseline": one}, pairs=pairs, machine=describe_machine()
    )
    assert list(mean_lines(result))[1].split(maxsplit=1) == [
        "baseline",
        "poses over 4 sigmas off: 2 of 3, 1 of them called measured",
    ]
