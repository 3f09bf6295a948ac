"""lunar-infer in a Python of its own: for what it loads, what it prints, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: Where this Python finds its packages, and nothing else of the surroundings.
APART = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""}


def run_apart(
    call: str, *arguments: object, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a call of the command's `main`, with further packages on the path."""
    environment = dict(APART)
    if path is not None:
        environment["PYTHONPATH"] = os.pathsep.join([str(path), environment["PYTHONPATH"]])
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from lunar_runtime.commands.infer import main\n{call}",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
