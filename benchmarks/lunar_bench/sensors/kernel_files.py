"""Small files of the kernel's."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str | None:
    """A small file of the kernel's, stripped; None where it is missing or refuses."""
    try:
        return path.read_text().strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return None
