from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from lunar_bench.cli import command as lunar_bench
from lunar_runtime import default_bundle_path

from .command_line import run


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that is no group, by its words."""
    if isinstance(command, click.Group):
        for word, inner in command.commands.items():
            yield from leaves(inner, f"{name} {word}")
    else:
        yield name, command


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["footprint", "--runs", "0", "--", "--help"], 2, "'--runs': 0 is not in the range x>=1"),
        (["footprint", "--runs", "1", "--", "--nonsense"], 3, "the command to measure failed"),
        (["measure"], 2, "No such command 'measure'"),
        (["cost", "bundle", "--nonsense"], 2, "see lunar-bench cost --help"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    found, out, err = run(capfd, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lunar-bench: ")
    assert text in err
    assert err.count("\n") == 1


def test_help_of_the_command_is_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "footprint", "--help")
    assert code == 0
    assert "--runs" in out


def test_a_saved_result_carries_its_machine(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "help.json"
    code, out, err = run(capfd, "footprint", "--runs", 1, "--save", file, "--", "--help")
    assert (code, err) == (0, "")
    assert out.startswith("lunar-infer --help: ")
    saved = json.loads(file.read_text())
    assert saved["runs"] == 1
    assert {"processor", "cores", "commit", "load_1min"} <= set(saved["machine"])


def test_json_is_what_is_saved(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "cost.json"
    code, out, err = run(capfd, "cost", default_bundle_path(), "--json", "--save", file)
    assert (code, err) == (0, "")
    assert out == file.read_text()
    parts = json.loads(out)["bundles"]["default_bundle"]
    assert parts["total"]["gflop"] == pytest.approx(13.6, abs=0.1)  # as in benchmarks/README.md
    assert parts["total"]["time_ms"] is None


def test_every_command_that_prints_a_result_has_json_and_all_are_verbose() -> None:
    options = {
        name: {text for parameter in command.params for text in parameter.opts}
        for name, command in leaves(lunar_bench, "lunar-bench")
    }
    files_or_text = {f"lunar-bench {name}" for name in ("report", "page", "index", "schema")}
    assert all("--json" in found for name, found in options.items() if name not in files_or_text)
    assert {name for name, found in options.items() if "-v" not in found} == {"lunar-bench schema"}
