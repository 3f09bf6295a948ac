"""`lunar-calib verify`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import PATH, verbose


@click.command()
@click.argument("path", type=PATH)
@verbose
def verify(path: Path) -> None:
    """Recompute all that a calibration set says of itself; exit 3 if anything differs."""
    from lunar_runtime.errors import InputError

    from lunar_calib.commands.progress import track
    from lunar_calib.sets.calibration_set import read_manifest
    from lunar_calib.sets.verify_set import verify_set

    differences = verify_set(path, track)
    if differences:
        raise InputError(f"{len(differences)} differences: {' | '.join(differences)}")
    manifest = read_manifest(path)
    echo(
        f"{path}: {len(manifest.pairs)} pairs, {len(manifest.files)} files, digests, statistics "
        "and coverage are right"
    )
    echo(manifest.digest)
