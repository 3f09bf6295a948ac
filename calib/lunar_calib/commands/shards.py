"""`lunar-calib shards`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import verbose

from lunar_calib.choices import Preset
from lunar_calib.commands.options import jobs, kind, out, preset, seed, size


@click.command()
@click.option("--count", type=click.IntRange(1), required=True, help="Pairs in all.")
@size("Side of the square images, pixels.", 256, least=32, most=None)
@seed
@out("Folder for the shards.")
@jobs
@preset(Preset.MIX)
@kind
@verbose
def shards(
    count: int, size_px: int, seed: int, out: Path, jobs: int, preset: str, kind: str | None
) -> None:
    """Write shards of rendered pairs for training; run again to resume."""
    from lunar_calib.commands.progress import track
    from lunar_calib.datasets.shards import PAIRS_PER_SHARD, write_shards

    written = write_shards(out, count, size_px, seed, jobs, preset, kind=kind)
    for shard in track(written, "rendering", -(-count // PAIRS_PER_SHARD)):
        echo(shard)
