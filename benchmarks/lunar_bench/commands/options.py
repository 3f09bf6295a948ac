"""What several subcommands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import msgspec

SAVE = click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result as JSON."
)


def save_result(result: msgspec.Struct, path: Path | None) -> None:
    """Write a result as indented JSON; nothing without a path.

    Raises:
        OutputError: It cannot be written.
    """
    if path is None:
        return
    import msgspec
    from lunar_runtime.files.atomic import atomic_path

    with atomic_path(path) as temporary:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        temporary.write_bytes(text + b"\n")
