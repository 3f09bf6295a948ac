"""`lunar-calib inspect`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH, json_output, verbose


@click.command()
@click.argument("path", type=PATH)
@json_output("the set's manifest")
@verbose
def inspect(path: Path, as_json: bool) -> None:
    """Say what is in a calibration set, once its files are verified."""
    from lunar_calib.sets.calibration_set import CalibrationSet
    from lunar_calib.sets.set_report import describe, to_json

    opened = CalibrationSet.open(path)
    click.echo(to_json(opened) if as_json else describe(opened))
