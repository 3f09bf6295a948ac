"""Flipped bits: drawn from the seed, counted with their intervals, resumed where they stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.record.shares import share
from lunar_bench.upsets.flip import Flip, flip_in_place, flipped, make_flip
from lunar_bench.upsets.measure import UpsetOptions, measure_upsets
from lunar_bench.upsets.rates import rates, worst
from lunar_bench.upsets.record import Harm, UpsetRecord
from lunar_bench.upsets.refinement_site import arrays_in
from lunar_runtime.errors import UsageError

from .command_line import run

HARMLESS = Harm(moved_deg=0.0, more_missed=0.0, lost=0.0, said=[])
UNSAFE = Harm(moved_deg=2.0, more_missed=0.02, lost=0.0, said=[])
TOLD = Harm(moved_deg=2.0, more_missed=0.05, lost=0.0, said=["a warning"])


def test_what_rounding_does_is_no_harm_of_a_flip() -> None:
    """In 8 bits one grey level of one pixel moves the slopes of a whole view."""
    assert UNSAFE.unsafe
    assert not UNSAFE.quiet
    rounded = msgspec.structs.replace(UNSAFE, rounding_deg=1.6, rounding_missed=0.02)
    assert not rounded.unsafe
    assert not rounded.quiet
    assert msgspec.structs.replace(UNSAFE, rounding_deg=2.0, rounding_missed=0.02).quiet
    assert msgspec.structs.replace(UNSAFE, rounding_deg=1.6).unsafe  # by the hazards that it misses


def upset(number: int, harm: Harm, *guards: str, refined: Harm | None = None) -> UpsetRecord:
    flip = Flip(
        id=f"weights-{number}", site="weights", pair=0, where="layer.weight", element=3, bit=30,
        dtype="float32", before=0.1, after=None,
    )  # fmt: skip
    return UpsetRecord(
        id=flip.id, flip=flip, group=1, harm=harm, refined=refined, guards=list(guards)
    )


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.308),  # 1 - .025^(1/10)
        (10, 10, 0.692, 1.0),
        (5, 10, 0.187, 0.813),  # tables of Clopper and Pearson
        (1, 100, 0.000253, 0.0545),
        (0, 10_000, 0.0, 0.000369),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(
    count: int, of: int, low: float, high: float
) -> None:
    found = share(count, of)
    assert found.low == pytest.approx(low, rel=0.01)
    assert found.high == pytest.approx(high, rel=0.01)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8", "int64"])
def test_a_flip_is_one_bit_and_undoes_itself(dtype: str) -> None:
    values = np.array([3, 5, 7], dtype)
    before = values.copy()
    flip_in_place(values, 1, 2)
    differing = np.unpackbits(values.view(np.uint8) ^ before.view(np.uint8)).sum()
    assert differing == 1
    assert values[1] == flipped(before[1], 2)
    flip_in_place(values, 1, 2)
    np.testing.assert_array_equal(values, before)


def test_the_exponents_highest_bit_is_tried_alone() -> None:
    values = np.full(4, 0.5, np.float32)
    rng = np.random.default_rng(0)
    drawn = [make_flip(f"weights-{i}", 0, "w", values, 1, rng) for i in range(200)]
    assert {flip.bit for flip in drawn if flip.alone} == {30}
    assert {flip.after for flip in drawn if flip.bit == 30} == {1.7014118346046923e38}


def test_undetected_is_unsafe_silent_and_unguarded() -> None:
    records = [
        upset(0, HARMLESS),
        upset(1, UNSAFE, "sums"),
        upset(2, UNSAFE),
        upset(3, TOLD),
        upset(4, HARMLESS, refined=UNSAFE),
    ]
    found = rates(records)
    assert (found.unsafe.count, found.silent.count, found.undetected.count) == (3, 2, 1)
    assert (found.refined_unsafe.count, found.refined_undetected.count) == (1, 1)
    assert (found.noticed["sums"].count, found.noticed["sums"].of) == (1, 3)
    silent, undetected = worst(records, guarded=False), worst(records, guarded=True)
    assert silent is not None
    assert silent.id == "weights-1"
    assert undetected is not None
    assert undetected.id == "weights-2"


def test_arrays_are_found_in_what_steps_hand_over() -> None:
    values = np.zeros((2, 3), np.float32)
    found = dict(arrays_in((values, None, (np.ones(4), "text"), values.T)))
    assert list(found) == ["0", "2.0"]  # a view that is not contiguous would be copied
    assert found["0"] is values


def test_a_small_campaign_is_kept_and_resumed(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    few = UpsetOptions(None, 6, ("weights", "outputs"), pairs=1, threads=1)
    first = measure_upsets(few, journal=journal)
    assert first.flips == 12
    weights = first.rates["weights"]
    assert weights.undetected.count == 0
    assert first.holds
    assert set(first.by_bit) <= {"weights float32", "weights int64", "outputs float32"}
    lines = journal.read_bytes().splitlines()
    assert len(lines) == 13

    def none_left(groups: object, count: int) -> list[list[Flip]]:
        assert count == 0
        return []

    again = measure_upsets(few, journal=journal, tell=none_left)
    assert again.rates == first.rates
    fewer = measure_upsets(replace(few, judged=2), journal=journal)
    assert (fewer.flips, fewer.noticed["weights sums"].count) == (4, 6)
    assert "sums" in lines[1].decode()  # every flipped weight is noticed by its sum


def test_a_site_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="`sites` moon: choose of weights, activations, inputs"):
        measure_upsets(UpsetOptions(None, 1, ("moon",)))  # type: ignore[arg-type]


def test_the_command_prints_rates(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save = tmp_path / "upsets.json"
    code, out, _ = run(
        capfd, "upsets", "--flips", 2, "--sites", "inputs", "--pairs", 1, "--threads", 1,
        "--save", save,
    )  # fmt: skip
    assert code == 0
    assert "undetected" in out
    assert save.is_file()
