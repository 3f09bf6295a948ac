"""A pair with a deadline: which rung is flown, why, and what is said of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import BackendError, UsageError
from lunar_runtime.files.rasters import RasterTags
from lunar_runtime.inference.costs import Costs
from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.ladder import Rung, doubt_rung, rungs
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.practice_pair import practice_pair
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.refinement.budget import Budget, OutOfTimeError, checkpoint, within

from .outcomes import Outcome

SIZE = 256
PAIR = practice_pair(SIZE, SIZE)
LONG_MS = 1e7  # what fits into it does not depend on the machine


def test_of_twenty_times_the_slowest_is_what_ninety_five_in_a_hundred_need() -> None:
    costs = Costs()
    for took_ms in range(1, 21):
        costs.add("stage", 100, float(took_ms))
    assert costs.expect_ms("stage", 100) == 19
    assert costs.expect_ms("stage", 400) == 4 * 19  # in proportion to the pixels
    assert costs.expect_ms("another", 100) is None


def test_what_was_slow_once_is_forgotten_by_those_who_went_without() -> None:
    costs = Costs()
    for took_ms in (10.0, 11.0, 12.0, 900.0):
        costs.add("stage", 100, took_ms)
    assert costs.expect_ms("stage", 100) == 900
    for _ in range(5):
        costs.pass_over("stage", 100)
    assert costs.expect_ms("stage", 100) == 12
    for _ in range(15):
        costs.pass_over("stage", 100)
    assert costs.expect_ms("stage", 100) == pytest.approx(
        0.8 * 10
    )  # nothing is passed over for ever


def test_the_ladder_has_what_was_asked_for_the_best_first() -> None:
    names = [str(rung) for rung in rungs("auto", 512, cameras_told=True)]
    assert names == [
        "refined", "coarse 1/2", "coarse 1/4", "geometry", "geometry 1/2", "geometry 1/4",
        "network",
    ]  # fmt: skip
    assert [str(rung) for rung in rungs("off", 512, cameras_told=True)] == ["network"]
    assert [str(rung) for rung in rungs("on", 256, cameras_told=False)] == ["refined", "coarse 1/2"]
    assert [str(rung) for rung in rungs("auto", 200, cameras_told=False)] == ["refined", "network"]


def test_slopes_that_are_too_flat_are_a_guess() -> None:
    assert doubt_rung(1, network=True) == doubt_rung(2, network=True) == ()
    assert doubt_rung(1, network=False) == ()
    assert "1/4" in doubt_rung(4, network=True)[0]
    assert "without the network" in doubt_rung(2, network=False)[0]


def test_a_step_that_would_end_too_late_is_not_begun() -> None:
    checkpoint("flow")  # without a budget
    budget = Budget(time.perf_counter() + 1e3, lambda place: 1e7 if place == "flow 1" else 0.0)
    with within(budget):
        checkpoint("flow")
        checkpoint("plate")
        with pytest.raises(OutOfTimeError, match="no time was left before flow"):
            checkpoint("flow")
    checkpoint("flow")
    assert [place for place, _ in budget.passed] == ["flow 0", "plate 0"]


def test_a_late_result_says_so() -> None:
    flown = Flown("coarse", 2, 300.0, 340.4)
    assert not flown.met
    assert flown.words() == "coarse, 1/2 of the pixels a side; 340 of 300 ms, 40 ms late"
    aged = Flown("last good", 1, 300.0, 20.0, age_s=1.25)
    assert aged.met and aged.words() == "last good, 1.2 s old; 20 of 300 ms"


@pytest.fixture
def runtime(bundles: dict[str, Path]) -> Iterator[StereoRuntime]:
    with StereoRuntime.load(bundles["both"], threads=1) as loaded:
        loaded.learn_costs(SIZE, SIZE, rounds=1)
        yield loaded


def infer(runtime: StereoRuntime, **options: object) -> StereoResult:
    options = {"intrinsics": PAIR.intrinsics, "deadline_ms": LONG_MS, **options}
    return runtime.infer(PAIR.left, PAIR.right, **options)  # type: ignore[arg-type]


def make_slow(runtime: StereoRuntime, stage: str, pixels: int) -> None:
    runtime.costs.add(stage, pixels, 10 * LONG_MS)


def test_with_time_enough_it_is_what_it_is_without_a_deadline(runtime: StereoRuntime) -> None:
    result = infer(runtime)
    assert result.flown is not None
    assert (result.flown.rung, result.flown.step, result.flown.met) == ("refined", 1, True)
    assert result.flown.passed_over == ()
    free = infer(runtime, deadline_ms=None)
    assert free.flown is None
    np.testing.assert_array_equal(result.depth, free.depth)
    assert result.verdict == free.verdict == "measured"


def test_what_does_not_fit_is_passed_over_and_named(runtime: StereoRuntime) -> None:
    make_slow(runtime, "network and images, left", SIZE**2)
    coarse = infer(runtime)
    assert coarse.flown is not None
    assert (coarse.flown.rung, coarse.flown.step) == ("coarse", 2)
    assert coarse.flown.passed_over[0].startswith("refined: 1")
    assert coarse.depth.shape == (SIZE // 2, SIZE // 2)
    assert coarse.options.smoothing_px == 1.0  # of twice as large pixels: the same ground
    make_slow(runtime, "network and images, left", SIZE**2 // 4)
    geometry = infer(runtime)
    assert geometry.flown is not None and geometry.model is None
    assert (geometry.flown.rung, geometry.flown.step) == ("geometry", 1)
    for pixels in (SIZE**2, SIZE**2 // 4):
        make_slow(runtime, "images, left", pixels)
    network = infer(runtime)
    assert network.flown is not None and network.refinement is not None
    assert network.flown.rung == "network" and not network.refinement.done
    assert network.verdict == "guessed"
    assert len(network.flown.passed_over) == 4


def make_all_slow(runtime: StereoRuntime) -> None:
    for stage, pixels in (
        ("network and images, left", SIZE**2),
        ("network and images, left", SIZE**2 // 4),
        ("images, left", SIZE**2),
        ("images, left", SIZE**2 // 4),
        ("kept, left", 64**2),
    ):
        make_slow(runtime, stage, pixels)


def test_of_another_question_there_is_no_last_good_result(runtime: StereoRuntime) -> None:
    infer(runtime)
    make_all_slow(runtime)
    other = infer(runtime, altitude_m=900.0)  # nothing fits: it is tried
    assert other.flown is not None and other.flown.rung != "last good"
    assert "ms expected" in other.flown.passed_over[-1]


def test_the_last_good_result_comes_with_its_age(runtime: StereoRuntime) -> None:
    good = infer(runtime)
    make_all_slow(runtime)
    aged = infer(runtime)
    assert aged.flown is not None and aged.flown.age_s is not None
    assert aged.flown.rung == "last good" and aged.flown.age_s > 0
    assert aged.verdict == "guessed" and "an earlier pair's result" in aged.verdict_reasons[0]
    np.testing.assert_array_equal(aged.depth, good.depth)


def test_a_refinement_that_turns_out_too_slow_is_given_up(runtime: StereoRuntime) -> None:
    make_slow(runtime, "network and images, left, brightness 0", SIZE**2)
    result = infer(runtime)
    assert result.flown is not None
    assert (result.flown.rung, result.flown.step) == ("coarse", 2)
    assert result.flown.passed_over == ("refined: no time was left before brightness",)


def test_without_a_network_the_images_answer(
    runtime: StereoRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BackendError("the accelerator is gone")

    monkeypatch.setattr(runtime._backend, "run", fail)
    result = infer(runtime)
    assert result.flown is not None
    assert (result.flown.rung, result.model) == ("geometry", None)
    assert result.flown.passed_over == ("refined: the accelerator is gone",)
    assert result.verdict == "measured"
    with pytest.raises(BackendError, match="the accelerator is gone"):
        infer(runtime, intrinsics=None)


def test_a_deadline_that_cannot_be_planned_for_is_wrong_usage(bundles: dict[str, Path]) -> None:
    with StereoRuntime.load(bundles["both"], threads=1) as loaded:
        with pytest.raises(UsageError, match=r"`deadline_ms`.*call learn_costs once"):
            infer(loaded)
        loaded.learn_costs(64, 64, rounds=1)
        with pytest.raises(UsageError, match="`deadline_ms` nan: needs to be a positive"):
            infer(loaded, deadline_ms=float("nan"))


def test_report_output_and_tags_say_which_rung(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = infer(*pair, "--bundle", bundles["both"], "--out", out, "--deadline-ms", LONG_MS)
    assert (outcome.code, outcome.err) == (0, "")
    assert "rung   network; " in outcome.out and " of 1e+07 ms" in outcome.out
    flown = json.loads((out / "report.json").read_text())["flown"]
    assert (flown["rung"], flown["met"], flown["deadline_ms"]) == ("network", True, LONG_MS)
    assert b"LUNAR_RUNG" in (out / "depth.tif").read_bytes()
    assert "LUNAR_RUNG" not in RasterTags("m", "depth").metadata()


def test_nothing_in_time_is_exit_7(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = infer(*pair, "--bundle", bundles["both"], "--out", out, "--deadline-ms", 1e-3)
    assert outcome.code == 7
    assert re.fullmatch(
        r"lunar-infer: nothing fits into 0.001 ms, and there is no earlier result; give a "
        r"--deadline-ms of \d+ or more, which the quickest answer is expected to take, or smaller "
        r"images \(network: \d+ ms expected, none left\)\n",
        outcome.err,
    )
    assert not out.exists()


def test_a_rung_names_its_step() -> None:
    assert str(Rung("coarse", 4)) == "coarse 1/4"
