"""`lunar-distill grow`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import FILE, json_output, overwrite, verbose

from lunar_distill.commands.options import EXISTING, seed


@click.command()
@click.option("--init", type=EXISTING, required=True, help="Checkpoint of the smaller network.")
@click.option("--depth", type=click.IntRange(1), required=True, help="Decoder layers.")
@click.option(
    "--mlp-ratio",
    type=click.FloatRange(0.25),
    default=4.0,
    show_default=True,
    help="Hidden width of the decoder's MLPs over its width.",
)
@click.option("--out", type=FILE, required=True, help="Checkpoint to write.")
@seed
@overwrite("the file of --out")
@json_output("the new network's id and size")
@verbose
def grow(
    init: Path,
    depth: int,
    mlp_ratio: float,
    out: Path,
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a larger network with the same outputs: a start for a teacher of your own."""
    import torch
    from lunar_student import load_checkpoint, save_checkpoint

    from lunar_distill.commands.saving import give_record, refuse_existing
    from lunar_distill.starts.growth import grow as larger

    refuse_existing(out, overwrite)
    torch.manual_seed(seed)
    network = larger(load_checkpoint(init), depth, mlp_ratio)
    save_checkpoint(network, out)
    count = sum(p.numel() for p in network.parameters())
    if as_json:
        record = {"path": str(out), "network": network.config.id, "parameters": count}
        give_record(record, None, as_json)
    else:
        click.echo(f"{out}: {network.config.id}, {count / 1e6:.1f} M parameters")
