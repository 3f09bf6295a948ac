"""`lunar-bench refinement sweep`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, plot, result_options


@click.command()
@click.argument("grounds", type=click.IntRange(1))
@SEED
@BUNDLE
@plot("The curves")
@result_options
def sweep(
    grounds: int,
    seed: int,
    bundle: Path | None,
    plot: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Curves of the error over baseline, sun, noise and overlap, from so many rendered GROUNDS."""
    from lunar_bench.refinement.sweep import measure_sweep
    from lunar_bench.report.refinement_text import point_line

    result = measure_sweep(
        bundle,
        grounds,
        seed,
        tell=lambda name, point: echo_lines([point_line(name, point)], as_json=as_json),
    )
    if plot is not None:
        from lunar_bench.report.sweep_plot import plot_sweep

        plot_sweep(result, plot)
    finish(result, as_json=as_json, save=save)
