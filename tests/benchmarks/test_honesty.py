"""The campaign of damaged situations: its rules, its damages, its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_bench.honesty.campaign import Campaign
from lunar_bench.honesty.judge import faults, measure
from lunar_bench.honesty.kinds import KINDS
from lunar_bench.honesty.record import summarise
from lunar_bench.honesty.run import Label, run_situation
from lunar_bench.honesty.situation import (
    Draw,
    Situation,
    clean_situation,
)
from lunar_bench.report.honesty_text import markdown, summary_lines
from lunar_bench.sensors.machine import describe_machine
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import UsageError

from .honesty_records import RIGHT, ground_and_another, record


@pytest.fixture(scope="module")
def pairs(rendered_pair: KnownPair) -> list[KnownPair]:
    return ground_and_another(rendered_pair)


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def clean(pairs: list[KnownPair]) -> Situation:
    return clean_situation(pairs[0])


@pytest.fixture(scope="module")
def result(runtime: StereoRuntime, clean: Situation) -> StereoResult:
    _, found = run_situation(runtime, clean.telling(altitude_m=None, baseline_m=None), LABEL)
    assert found is not None
    return found


LABEL = Label("0", "clean", "ground", "rig")


def drawn(pairs: list[KnownPair], seed: int = 0) -> Draw:
    return Draw(np.random.default_rng(seed), pairs[0], pairs)


@pytest.mark.parametrize(
    "change, text",
    [
        ({}, None),
        ({"depth_sigmas": 3.1}, "depth off by 3.1 of its sigmas"),
        ({"slope_sigmas": 4.0}, "slope off by 4.0 of its sigmas"),
        ({"slope_sigmas": None}, "slope without an expected error"),
        ({"metres_ratio": 1.051}, "metres 1.05 times the true ones"),
        ({"metres_ratio": 0.949}, "metres 0.949 times the true ones"),
        ({"metres_ratio": None}, None),
        ({"missed": 0.21}, "misses 21% of the hazards, 11% more than clean"),
        ({"missed": 0.21, "missed_clean": None}, None),
    ],
)
def test_a_measured_result_is_wrong_by_the_rule(
    change: dict[str, float | None], text: str | None
) -> None:
    found = faults(msgspec.structs.replace(RIGHT, **change))
    assert found == ([] if text is None else [text])


def test_nothing_can_be_measured_where_there_is_no_ground() -> None:
    assert faults(None) == ["there is nothing to measure"]


def test_figures_are_those_of_a_made_up_result(result: StereoResult, clean: Situation) -> None:
    ground = clean.ground
    assert ground is not None
    view = result.views["left"]
    depth = np.where(np.arange(256)[:, None] < 64, np.nan, 1.2 * ground.depth)
    made = replace(
        result,
        views={
            "left": replace(
                view,
                depth=depth.astype(np.float32),
                depth_sigma=(0.1 * ground.depth).astype(np.float32),
                slope=(ground.slope + 3).astype(np.float32),
                slope_sigma=np.full_like(ground.slope, 1.5),
            )
        },
    )
    found = measure(made, ground)
    assert found.metres_ratio == pytest.approx(1.2)
    assert found.depth_error == pytest.approx(0.2, abs=1e-4)
    assert found.depth_sigmas == pytest.approx(2.0, abs=1e-3)
    assert found.slope_error_deg == pytest.approx(3)
    assert found.slope_sigmas == pytest.approx(2)
    assert found.pixels == pytest.approx(0.75 * 256**2, rel=0.01)
    # Relative lengths are right at any factor.
    relative = measure(replace(made, scale=replace(made.scale, metres_per_unit=None)), ground)
    assert relative.metres_ratio is None
    assert relative.depth_error == pytest.approx(0, abs=1e-6)


def test_hazards_are_counted_against_the_clean_pair(result: StereoResult, clean: Situation) -> None:
    ground = clean.ground
    assert ground is not None
    steep = ground.slope > 15
    flat = np.where(np.cumsum(steep).reshape(steep.shape) % 4 == 0, 10, 20).astype(np.float32)
    # 10 degrees and twice 2 are flat, twice 3 are not.
    sigma = np.where(np.arange(256) < 128, 2, 3) * np.ones_like(flat)
    view = replace(result.views["left"], slope=flat, slope_sigma=sigma)
    found = measure(
        replace(result, views={"left": view}), replace(ground, clean_slope=ground.slope)
    )
    assert found.missed == pytest.approx(0.25, abs=0.01)
    assert found.missed_clean == 0
    left_half = steep[:, :128].sum() / steep.sum()
    assert found.missed_surely == pytest.approx(0.25 * left_half, abs=0.02)
    assert "misses 25% of the hazards, 25% more than clean" in faults(found)


def test_depth_over_what_is_covered_is_counted(result: StereoResult, clean: Situation) -> None:
    assert clean.ground is not None
    area = np.zeros(clean.left.shape, np.bool_)
    area[:64] = True
    found = measure(result, clean.ground.covered(area))
    assert found.on_nothing == pytest.approx(np.isfinite(result.depth[:64]).mean())
    assert found.pixels <= 192 * 256


def test_a_clean_pair_with_the_right_rig_is_measured_and_right(
    runtime: StereoRuntime, clean: Situation
) -> None:
    told = clean.told.only("rig")
    record, _ = run_situation(runtime, replace(clean, told=told), LABEL)
    assert (record.outcome, record.unit) == ("measured & right", "m")
    assert record.figures is not None and record.figures.metres_ratio is not None
    assert abs(record.figures.metres_ratio - 1) < 0.01  # .1 % is usual


def test_what_the_runtime_refuses_is_refused_with_its_line(
    runtime: StereoRuntime, clean: Situation
) -> None:
    twice = replace(clean, right=clean.left, told=clean.told.only("rig"))
    record, found = run_situation(runtime, twice, LABEL)
    assert (record.outcome, found, record.figures) == ("refused", None, None)
    assert "the same image as" in record.reasons[0]


def test_a_bug_of_the_runtime_is_counted_and_the_campaign_goes_on(
    runtime: StereoRuntime, clean: Situation
) -> None:
    no_image: Any = b"no image"
    broken = replace(clean, left=no_image, told=clean.told.only("rig"))
    record, _ = run_situation(runtime, broken, LABEL)
    assert record.outcome == "crashed"
    assert record.reasons[0].startswith("TypeError: ")


def test_a_situation_depends_on_its_number_and_seed_alone(
    runtime: StereoRuntime, pairs: list[KnownPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the undamaged pair's slopes are does not decide what is drawn.
    nothing = np.full(pairs[0].left.shape, np.nan, np.float32)
    monkeypatch.setattr(Campaign, "_clean_slope", lambda *_: nothing)
    campaign, again = (Campaign(runtime, pairs, 7) for _ in range(2))
    for number in ("3", "41"):
        (first, label), (second, same) = campaign.situation(number), again.situation(number)
        assert label == same
        assert first.parameters == second.parameters
        np.testing.assert_array_equal(first.left, second.left)
    labels = [campaign.situation(str(number))[1] for number in range(len(KINDS))]
    assert {label.kind for label in labels} == set(KINDS)  # each once in a round
    assert all(label.given in KINDS[label.kind].givings for label in labels)


@pytest.mark.parametrize("identity", ["x", "c9", "c-1", "1.5"])
def test_an_id_of_no_situation_is_refused(
    runtime: StereoRuntime, pairs: list[KnownPair], identity: str
) -> None:
    with pytest.raises(UsageError, match=f"`only` {identity}"):
        Campaign(runtime, pairs, 7).situation(identity)


def test_counts_shares_and_the_page_are_those_of_the_records() -> None:
    damaged = [record(str(i), "guessed") for i in range(97)]
    damaged += [record("97", "measured & wrong", "focal"), record("98", "refused", "focal")]
    clean = [record(f"c{i}", "measured & right", "clean") for i in range(50)]
    result = summarise("some", 1, "0", clean, damaged, describe_machine())
    assert result.wrong_share == pytest.approx(1 / 99)
    assert not result.holds
    fewer = [r for r in damaged if r.id != "97"]
    assert summarise("some", 1, "0", clean, fewer, describe_machine()).holds
    assert result.counts["focal"]["measured & wrong"] == result.counts["focal"]["refused"] == 1
    lost = [record("c50", "guessed", "clean"), record("c51", "refused", "clean")]
    assert not summarise("some", 1, "0", clean + lost, fewer, describe_machine()).holds
    crashed = [*fewer, record("99", "crashed")]
    assert not summarise("some", 1, "0", clean, crashed, describe_machine()).holds
    page = markdown(result)
    assert "| focal | 0 | 1 | 0 | 1 | 0 |  |" in page
    assert "- 97 focal (noise_dn 3.0), ground, told rig: measured & wrong: metres 1.2" in page
    assert "measured & wrong 1.0% of 99" in "\n".join(summary_lines(result))
    assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


def test_kinds_that_were_added_later_are_told_apart() -> None:
    damaged = [record("0", "measured & wrong"), record("1", "guessed")]
    machine = describe_machine()
    first = summarise("data", 1, "digest", [], damaged, machine)
    assert not any("of the first kinds" in line for line in summary_lines(first))
    damaged += [record("2", "measured & right", "echo"), record("3", "measured & wrong", "video")]
    lines = "\n".join(summary_lines(summarise("data", 1, "digest", [], damaged, machine)))
    assert "of the first kinds 1 of 2 measured & wrong (50.0%)" in lines
    assert "of the seven after them 0 of 1 measured & wrong (0.0%)" in lines
    assert "of the ten after these 1 of 1 measured & wrong (100.0%)" in lines
    assert [sum(kind.tried == turn for kind in KINDS.values()) for turn in (1, 2)] == [7, 10]
