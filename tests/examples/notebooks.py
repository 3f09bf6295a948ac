"""A notebook's code, run as plain Python, cell after cell."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a notebook that hold code."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cells(notebook: Path) -> list[str]:
    """What each code cell of a notebook prints, run in order in the current folder."""
    names: dict[str, Any] = {}
    printed = []
    for cell in code_cells(notebook):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
        printed.append(out.getvalue())
    return printed
