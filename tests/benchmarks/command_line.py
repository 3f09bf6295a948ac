"""Runs `lunar-bench` in this process."""

from __future__ import annotations

import pytest
from lunar_bench.cli import main


def run(capture: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `lunar-bench` with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capture.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err
