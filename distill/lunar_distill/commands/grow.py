"""`lunar-distill grow`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_distill.commands.options import EXISTING


@click.command()
@click.option("--init", type=EXISTING, required=True, help="Checkpoint of the smaller network.")
@click.option("--depth", type=click.IntRange(1), required=True, help="Decoder layers.")
@click.option("--mlp-ratio", type=click.FloatRange(0.25), default=4.0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--seed", type=int, default=0, show_default=True)
def grow(init: Path, depth: int, mlp_ratio: float, out: Path, seed: int) -> None:
    """Make a larger network with the same outputs: a start for a teacher of your own."""
    import torch
    from lunar_student import load_checkpoint, save_checkpoint

    from lunar_distill.starts.grow import grow as larger

    torch.manual_seed(seed)
    network = larger(load_checkpoint(init), depth, mlp_ratio)
    save_checkpoint(network, out)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    click.echo(f"{out}: {network.config.id}, {millions:.1f} M parameters")
