"""Regression detection on runs whose change is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import encode_run
from lunar_bench.report.regressions import Regressions, change_lines, compare_runs
from lunar_bench.timing.statistics import summarise
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from .command_line import run

Make = Callable[..., RunRecord]

# As the command's defaults.
compare = partial(compare_runs, alpha=0.01, tolerance=0.05)


@pytest.fixture
def made(record: RunRecord) -> Make:
    """A run whose first bundle has given inference times and memory."""

    def make(times: Iterable[float], rss: float = 200.0, **changes: object) -> RunRecord:
        first = record.candidates[0]
        assert first.start is not None
        start = msgspec.structs.replace(first.start, peak_rss_mib=rss, peak_pss_mib=None)
        candidate = msgspec.structs.replace(
            first, stages={"inference": summarise(list(times))}, start=start
        )
        return msgspec.structs.replace(record, candidates=[candidate], **changes)

    return make


def times(seed: int, factor: float = 1.0, count: int = 60) -> NDArray[np.float64]:
    return factor * np.random.default_rng(seed).lognormal(3, 0.1, count)


def verdicts(found: Regressions) -> dict[str, str]:
    return {change.figure: change.verdict for change in found.changes}


def test_ten_per_cent_more_time_is_a_regression(made: Make) -> None:
    found = compare(made(times(1)), made(times(2, 1.1)))
    assert verdicts(found) == {"inference": "REGRESSION", "peak RSS": "same"}
    assert found.regressed


def test_the_same_distribution_is_no_regression(made: Make) -> None:
    assert not any(
        compare(made(times(seed)), made(times(seed + 100))).regressed for seed in range(40)
    )


def test_a_significant_change_within_the_tolerance_is_none(made: Make) -> None:
    first, second = made(times(1, 1.0, 3000)), made(times(2, 1.03, 3000))
    assert verdicts(compare(first, second))["inference"] == "same"
    assert compare(first, second, tolerance=0.01).regressed


def test_a_large_change_in_few_noisy_runs_is_none(made: Make) -> None:
    assert not compare(made([20.0, 30.0, 25.0]), made([28.0, 35.0, 24.0])).regressed


def test_what_got_faster_is_an_improvement(made: Make) -> None:
    found = compare(made(times(1)), made(times(2, 0.8)))
    assert verdicts(found)["inference"] == "improvement"
    assert not found.regressed


def test_a_change_that_nobody_notices_is_none_and_nothing_divides_by_zero(made: Make) -> None:
    first, second = made(times(1, 1e-4)), made(times(2, 3e-4))
    found = compare(first, second)
    p_value = found.changes[0].p_value
    assert p_value is not None and p_value < 1e-6
    assert verdicts(found)["inference"] == "same"
    found = compare(made([0.0] * 30), made([1.0] * 30))
    assert verdicts(found)["inference"] == "REGRESSION"
    assert "+inf%" in "\n".join(change_lines(found))


def test_memory_is_judged_by_the_tolerance(made: Make) -> None:
    found = compare(made(times(1)), made(times(1), rss=220.0))
    assert verdicts(found) == {"inference": "same", "peak RSS": "REGRESSION"}


def test_other_machines_and_settings_are_said(made: Make, record: RunRecord) -> None:
    machine = msgspec.structs.replace(record.machine, processor="Another")
    settings = msgspec.structs.replace(record.settings, threads=7)
    found = compare(made(times(1)), made(times(1), machine=machine, settings=settings))
    said = "\n".join(found.warnings)
    assert "different machines: processor" in said
    assert "different settings: threads" in said


def test_runs_without_a_common_candidate_are_refused(made: Make, record: RunRecord) -> None:
    other = msgspec.structs.replace(record.candidates[0], name="other")
    with pytest.raises(InputError, match="no candidate in common"):
        compare(made(times(1)), msgspec.structs.replace(record, candidates=[other]))


def test_the_command_exits_6_for_a_regression_and_0_without(
    made: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_bytes(encode_run(made(times(1))))
    (tmp_path / "b.json").write_bytes(encode_run(made(times(2, 1.2))))
    for pair, code in ((("a", "b"), 6), (("a", "a"), 0), (("b", "a"), 0)):
        files = [tmp_path / f"{name}.json" for name in pair]
        found, out, _ = run(capsys, "compare", *files)
        assert found == code
        assert ("REGRESSION" in out) == (code == 6)
        found, out, _ = run(capsys, "compare", *files, "--json")
        assert found == code
        saved = msgspec.json.decode(out, type=Regressions)
        assert saved.regressed == (code == 6)
