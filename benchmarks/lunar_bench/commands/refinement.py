"""`lunar-bench refinement`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunar_bench.commands.options import SAVE, save_result

if TYPE_CHECKING:
    import msgspec


@click.command()
@click.option("--stereolunar", type=click.Path(path_type=Path), help="StereoLunar's scenes.")
@click.option("--cross-sun", is_flag=True, help="Of those, left and right under different suns.")
@click.option("--rendered", type=click.IntRange(1), help="So many rendered pairs of 512 px.")
@click.option("--sweep", type=click.IntRange(1), help="Curves over so many rendered grounds.")
@click.option("--apollo", type=click.Path(path_type=Path), help="Folder of Apollo 15 0297/0298.")
@click.option("--profile", type=click.IntRange(1), help="Time and profile so many rounds.")
@click.option("--seed", type=int, default=9000, show_default=True, help="Of what is rendered.")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Curves as PNG.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Default: the package's.")
@SAVE
def refinement(
    stereolunar: Path | None,
    cross_sun: bool,
    rendered: int | None,
    sweep: int | None,
    apollo: Path | None,
    profile: int | None,
    seed: int,
    threads: int,
    plot: Path | None,
    bundle: Path | None,
    save: Path | None,
) -> None:
    """Measure what the images add: network, geometry alone and both, beside null and SGBM.

    Give one of --stereolunar, --rendered, --sweep, --apollo and --profile.
    """
    from lunar_calib.truth import known_pairs
    from lunar_runtime.errors import UsageError

    from lunar_bench.refinement import refinement_table

    chosen = [source for source in (stereolunar, rendered, sweep, apollo, profile) if source]
    if len(chosen) != 1:
        raise UsageError("give one of --stereolunar, --rendered, --sweep, --apollo and --profile")
    if cross_sun and stereolunar is None:
        raise UsageError("--cross-sun is for --stereolunar")
    if plot is not None and sweep is None:
        raise UsageError("--plot draws a --sweep")
    if apollo is not None:
        from lunar_bench.refinement.refinement_apollo import measure_apollo

        result: msgspec.Struct = (found := measure_apollo(bundle, apollo))
        lines = refinement_table.apollo_lines(found)
    elif profile is not None:
        from lunar_bench.refinement.refinement_profile import profile_refinement

        pair = next(known_pairs.rendered_pairs(1, 512, seed))
        result = (timed := profile_refinement(bundle, pair, profile, threads))
        lines = refinement_table.profile_lines(timed)
    elif sweep is not None:
        from lunar_bench.refinement.refinement_sweep import measure_sweep, plot_sweep

        for name, point, curves in measure_sweep(bundle, sweep, seed):
            click.echo(refinement_table.point_line(name, point))
            result = curves
        if plot is not None:
            plot_sweep(curves, plot)
        lines = iter(())
    else:
        from lunar_bench.refinement.refinement import measure_refinement

        if rendered is not None:
            pairs, data = known_pairs.rendered_pairs(rendered, 512, seed), "rendered"
        else:
            assert stereolunar is not None
            pairs = known_pairs.stereolunar_pairs(stereolunar, cross_sun=cross_sun)
            data = "StereoLunar, cross-sun" if cross_sun else "StereoLunar"
        click.echo(refinement_table.HEADER)
        for one, accuracies in measure_refinement(bundle, pairs, data):
            for line in refinement_table.pair_lines(one):
                click.echo(line)
            result = accuracies
        lines = refinement_table.median_lines(accuracies)
    for line in lines:
        click.echo(line)
    save_result(result, save)
