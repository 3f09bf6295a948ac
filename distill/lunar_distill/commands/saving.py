"""Figures of a command as a JSON file or on stdout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic import atomic_path


def refuse_existing(path: Path | None, overwrite: bool) -> None:
    """Before the work, not after it.

    Raises:
        OutputError: The file is there and is not to be replaced.
    """
    if path is not None and path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; add --overwrite or choose another name")


def give_record(record: dict[str, Any], save: Path | None, as_json: bool) -> None:
    """Write a command's figures to `save` and, as JSON, to stdout, whichever was asked for."""
    text = json.dumps(record, indent=1)
    if as_json:
        click.echo(text)
    if save is not None:
        with atomic_path(save) as path:
            path.write_text(text + "\n")
