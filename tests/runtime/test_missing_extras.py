"""A tool on the ground that lacks its extra says so in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "arguments", "missing"),
    [
        ("lunar_export.commands.export", ["--untrained", "S0", "--out", "b"], "torch"),
        ("lunar_bench.cli", ["cost", "b"], "onnx"),
    ],
)
def test_a_missing_extra_is_one_line_and_exit_4(
    module: str, arguments: list[str], missing: str
) -> None:
    code = (
        "import sys; sys.modules[sys.argv.pop(1)] = None; "
        f"sys.argv[0] = 'tool'; from {module} import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, missing, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"{missing} is not installed; pip install '.[export,distill,ground]'" in done.stderr
