"""Commands of the documentation, run for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def call(command: Sequence[str], folder: Path) -> str:
    """What a command prints on stdout; it must exit with 0.

    Args:
        command: Words; the first one may be a tool of this environment.
        folder: Where it runs.
    """
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Without real imagery, as for whoever has just cloned the repository.
    environment = os.environ | {"PATH": tools, "LUNAR_DATA": str(folder / "no_data")}
    done = subprocess.run(
        list(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout
