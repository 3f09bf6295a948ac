"""Text of others on a terminal, and failures that nobody foresaw: one harmless line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import click
import numpy as np
import pytest
from lunar_runtime.commands.command_line import OneLine, run_command
from lunar_runtime.errors import InputError
from lunar_runtime.inference.degenerate import refuse_degenerate

from .outcomes import Outcome, run_main
from .spoilt_calls import Call

EVIL = "a\x1b[2J\x9b31m\u202egnp"


def harmless(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def test_names_of_files_are_escaped_in_errors_results_and_reports(
    call: Call, infer: Callable[..., Outcome]
) -> None:
    missing = infer(call.folder / EVIL, call.right, "--bundle", call.bundle)
    assert missing.code == 3
    assert "a\\x1b[2J\\x9b31m\\u202egnp" in missing.err and harmless(missing.err)
    left = call.left.rename(call.folder / f"{EVIL}.png")
    out = call.folder / f"out{EVIL}"
    done = infer(left, call.right, "--bundle", call.bundle, "--out", out)
    assert done.code == 0, done.err
    assert harmless(done.out) and harmless(done.err)
    report = json.loads((out / "report.json").read_text())
    assert harmless(report["left"]["path"])


def test_names_of_a_bundle_and_its_files_are_escaped(
    call: Call, infer: Callable[..., Outcome]
) -> None:
    (call.bundle / EVIL).write_text("not listed")
    outcome = infer(*call.plus())
    assert (outcome.code, outcome.err.count("\n")) == (3, 1)
    assert "not listed" in outcome.err and harmless(outcome.err)
    (call.bundle / EVIL).unlink()
    call.bundle = call.bundle.rename(call.folder / EVIL)
    outcome = infer(*call.manifest("graph/opset", 17))
    assert outcome.code == 3
    assert harmless(outcome.err)


@pytest.mark.parametrize(
    "content",
    ['{"a": "\\u001b[2J"}', '{"up_left": [0, 0, 1], "up_left": [0, 1, 0]}', "[" * 100_000,
     '{"up_left": [0, 0, 1e999]}'],
)  # fmt: skip
def test_a_rig_that_could_be_read_in_two_ways_is_refused(
    content: str, call: Call, infer: Callable[..., Outcome]
) -> None:
    outcome = infer(*call.rig(content))
    assert (outcome.code, outcome.err.count("\n")) == (3, 1)
    assert "not a rig file" in outcome.err and harmless(outcome.err)


def test_log_lines_are_escaped() -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (EVIL,)})
    assert OneLine("%(message)s").format(record) == "a\\x1b[2J\\x9b31m\\u202egnp"


def test_lack_of_memory_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def greedy() -> None:
        bytearray(1 << 62)

    def main(arguments: object) -> None:
        run_command(greedy, "greedy", [])

    code, _, err = run_main(main, [], capfd)
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("greedy: out of memory; ")


def test_what_linear_algebra_cannot_solve_is_the_pairs_fault() -> None:
    @refuse_degenerate
    def solve(matrix: np.ndarray) -> np.ndarray:
        return np.linalg.inv(matrix)

    np.testing.assert_array_equal(solve(np.eye(3)), np.eye(3))
    with pytest.raises(InputError, match=r"the pair's geometry is degenerate \(Singular matrix\)"):
        solve(np.zeros((3, 3)))


def test_a_manifest_that_claims_terabytes_is_refused(
    call: Call, infer: Callable[..., Outcome]
) -> None:
    outcome = infer(*call.manifest("graph/height", 1_000_000))
    assert outcome.code == 3
    assert "are larger than 8192 a side" in outcome.err
