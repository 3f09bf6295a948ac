"""Running a command in this process: how it ended, and what it said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

#: In the folder of a pair's result, of the left view alone.
LEFT_FILES = {
    "confidence.tif",
    "depth.tif",
    "pointcloud.ply",
    "pointmap.npz",
    "preview.png",
    "report.json",
    "slope.tif",
}
#: With --lander.
LANDING_FILES = {"hazard.tif", "safe_probability.tif", "sites.json"}


class Outcome(NamedTuple):
    """Exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str


def run_main(
    main: Callable[[Sequence[str]], None],
    arguments: Sequence[object],
    capfd: pytest.CaptureFixture[str],
) -> Outcome:
    """stderr is the file descriptor's, native noise and all."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    said = capfd.readouterr()
    return Outcome(int(stop.value.code or 0), said.out, said.err)


def names(folder: Path) -> set[str]:
    """What is in a folder."""
    return {path.name for path in folder.iterdir()}
