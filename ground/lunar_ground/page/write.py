"""A page on disk: there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic import atomic_path

from lunar_ground.page.content import Content
from lunar_ground.page.html import make_html


def check_page(path: Path, *, overwrite: bool = False) -> None:
    """Refuse a file that `write_page` would refuse, before the work is done.

    Raises:
        OutputError: It exists and `overwrite` is not set, or it is a folder.
    """
    if path.is_dir():
        raise OutputError(f"{path}: a folder; give the page's file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists; set `overwrite` or choose another name")


def write_page(content: Content, path: Path, *, overwrite: bool = False) -> int:
    """Write the page and return its size in bytes.

    Raises:
        OutputError: See `check_page`; or the file cannot be written.
    """
    check_page(path, overwrite=overwrite)
    encoded = make_html(content).encode()
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)
    return len(encoded)
