"""The committed results, and their index."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from lunar_bench.accuracy.precisions import Precisions
from lunar_bench.accuracy.report import AccuracyReport
from lunar_bench.cost.sliding import SlidingResult
from lunar_bench.gpu.report import GpuReport
from lunar_bench.honesty.record import HonestyResult
from lunar_bench.refinement.apollo import ApolloResult
from lunar_bench.refinement.measure import RefinementAccuracy
from lunar_bench.refinement.profile import RefinementProfile
from lunar_bench.refinement.sweep import RefinementSweep
from lunar_bench.report.results_index import INDEX_NAME, read_results, render_index
from lunar_runtime.errors import InputError

from .command_line import run

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"

TYPES = {
    "accuracy": AccuracyReport,
    "apollo": ApolloResult,
    "gpu": GpuReport,
    "honesty": HonestyResult,
    "precision": Precisions,
    "profile": RefinementProfile,
    "refinement": RefinementAccuracy,
    "sliding": SlidingResult,
    "sweep": RefinementSweep,
}


def test_the_index_is_up_to_date() -> None:
    found = (RESULTS / INDEX_NAME).read_text(encoding="utf-8")
    assert found == render_index(RESULTS), "make it anew: lunar-bench index … --write"


def test_every_link_of_the_index_leads_to_something() -> None:
    links = re.findall(r"\]\(([^)]+)\)", render_index(RESULTS))
    assert len(links) > 40
    assert all((RESULTS / link).exists() for link in links)


def test_every_file_is_in_the_index() -> None:
    text = render_index(RESULTS)
    assert all(f"({path.name}" in text for path in RESULTS.iterdir() if path.name != INDEX_NAME)


def test_the_headline_is_the_files_own_figure() -> None:
    (found,) = (r for r in read_results(RESULTS) if r.name == "footprint_s0_both_256")
    saved = json.loads((RESULTS / "footprint_s0_both_256.json").read_text())
    assert found.headline.startswith(f"{saved['seconds']:.2f} s, peak {saved['peak_rss_mib']:.0f}")
    assert (found.commit, found.date) == (saved["machine"]["commit"], saved["machine"]["date"][:10])


@pytest.mark.parametrize(
    "file",
    [path for path in sorted(RESULTS.glob("*.json")) if path.name.split("_")[0] in TYPES],
    ids=lambda path: path.stem,
)
def test_a_committed_result_is_still_what_its_command_saves(file: Path) -> None:
    kind = TYPES[file.name.split("_")[0]]
    saved = msgspec.json.decode(file.read_bytes(), type=kind)
    assert json.loads(msgspec.json.encode(saved)) == json.loads(file.read_bytes())


@pytest.mark.parametrize(
    "name, text",
    [
        ("s0_fast.json", "the name of a result is <what>_<network>_<where>_<size>"),
        ("sliding_s0_cpu_256.json", "not a result of this name"),
        ("notes.txt", "goes with no result"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match=re.escape(text)):
        render_index(tmp_path)


def test_the_command_prints_the_index_or_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(RESULTS / "footprint_none_help.json", tmp_path)
    code, out, _ = run(capsys, "index", tmp_path)
    assert code == 0
    assert "| [footprint_none_help](footprint_none_help.json) | 0.09 s, peak 32 MiB" in out
    assert run(capsys, "index", tmp_path, "--write") == (0, f"{tmp_path / INDEX_NAME}\n", "")
    assert (tmp_path / INDEX_NAME).read_text() == out
