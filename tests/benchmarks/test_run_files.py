"""What `lunar-bench run` writes: its schema, its result, its report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lunar_bench.record.run_file import SCHEMA_PATH, encode_run, encode_schema, read_run
from lunar_bench.report.tables import markdown
from lunar_runtime import default_bundle_path
from lunar_runtime.errors import InputError

from .command_line import run

CHECKPOINT = Path(__file__).parents[2] / "models" / "s0.safetensors"


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA_PATH.read_text())


def test_a_pipe_is_no_result_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(InputError, match=r"result\.json: is not a regular file"):
        read_run(tmp_path)


def test_the_published_schema_is_that_of_the_record() -> None:
    assert SCHEMA_PATH.read_bytes() == encode_schema(), "write it anew: lunar-bench schema > …"


def test_a_result_is_valid_against_the_published_schema(
    run_folder: Path, schema: dict[str, Any]
) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((run_folder / "result.json").read_text()), schema)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("noise"),
        lambda r: r.update(status="done"),
        lambda r: r["candidates"][0]["stages"]["inference"].update(p90_ms="fast"),
        lambda r: r.update(surprise=1),
    ],
)
def test_the_schema_refuses_what_is_no_result(
    run_folder: Path, schema: dict[str, Any], spoil: Callable[[dict[str, Any]], object]
) -> None:
    result = json.loads((run_folder / "result.json").read_text())
    spoil(result)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(result, schema)


def test_a_result_survives_its_file(run_folder: Path) -> None:
    record = read_run(run_folder)
    assert encode_run(record) == (run_folder / "result.json").read_bytes()


def test_the_page_holds_everything_itself(run_folder: Path) -> None:
    page = (run_folder / "report.html").read_text()
    names = {path.name for path in run_folder.iterdir()}
    assert {"result.json", "report.md", "report.html", "latency.png", "stages.png"} <= names
    plots = [name for name in names if name.endswith(".png")]
    assert page.count("data:image/png;base64,") == len(plots)
    assert "://" not in page and "<script" not in page and "<link" not in page
    assert "NOISY RUN" not in page or 'class="warning"' in page


def test_results_that_are_there_are_not_overwritten(
    capsys: pytest.CaptureFixture[str], run_folder: Path
) -> None:
    code, _, err = run(capsys, "run", default_bundle_path(), "--out", run_folder)
    assert code == 3
    assert "exists already; set --overwrite" in err


def test_a_report_is_made_again_from_its_json(
    capsys: pytest.CaptureFixture[str], run_folder: Path, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "report", run_folder, "--out", tmp_path / "again")
    assert (code, out) == (0, f"{tmp_path / 'again'}\n")
    again = (tmp_path / "again/report.md").read_bytes()
    assert again == (run_folder / "report.md").read_bytes()


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    assert code == 0
    assert out.encode() == SCHEMA_PATH.read_bytes()


def test_committed_results_are_valid_against_the_schema(schema: dict[str, Any]) -> None:
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    files = sorted(results.glob("run_*/result.json"))
    assert files
    for file in files:
        jsonschema.validate(json.loads(file.read_text()), schema)
        assert markdown(read_run(file)) == (file.parent / "report.md").read_text()
