"""`lunar-bench cost`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
def cost(bundles: tuple[Path, ...]) -> None:
    """Arithmetic and bytes of BUNDLES, from their graphs; nothing is run.

    A multiply-add counts two. Activations are what the operators read and write if none is fused.
    """
    from lunar_runtime import Bundle

    from lunar_bench.cost.graph_cost import GraphCost, read_graph

    opened = [Bundle.open(path) for path in bundles]
    click.echo("| bundle | part | GFLOP | weights, MB | activations, MB |\n|---|---|---|---|---|")
    for bundle in opened:
        parts = read_graph(bundle.model_path).costs
        total = GraphCost(*(sum(column) for column in zip(*parts.values(), strict=True)))
        for name, part in {**parts, "total": total}.items():
            click.echo(
                f"| {bundle.path.resolve().name} | {name} | {part.flops / 1e9:.2f} | "
                f"{part.weight_bytes / 1e6:.1f} | {part.activation_bytes / 1e6:.0f} |"
            )
