"""Code as parts of pages: scripts, pieces of them, and notebooks with their saved output."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def source_section(path: Path, piece: str = "") -> str:
    """A Python file as a block of Markdown.

    Args:
        path: The file.
        piece: Of it, what stands between the comments `begin PIECE` and `end PIECE`; all if empty.
    """
    text = path.read_text(encoding="utf-8")
    if piece:
        marks = rf"^ *# begin {piece}\n(.*?)^ *# end {piece}$"
        found = re.search(marks, text, re.MULTILINE | re.DOTALL)
        if found is None:
            raise ValueError(
                f"{path}: nothing stands between `# begin {piece}` and `# end {piece}`"
            )
        text = textwrap.dedent(found[1])
    return f"```python\n{text.strip()}\n```"


def notebook_section(path: Path) -> str:
    """The cells of a notebook as Markdown.

    Args:
        path: The notebook; its outputs are text.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(part for cell in cells for part in _cell(cell))


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
    elif cell["cell_type"] == "code":
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            text = "".join(output.get("text") or output["data"]["text/plain"])
            yield f"```text\n{text.rstrip()}\n```"
