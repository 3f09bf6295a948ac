"""`lunar-bench`: measure, print, and keep the result with its machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime import __version__
from lunar_runtime.command_line import run_command

if TYPE_CHECKING:
    import msgspec


NAME = "lunar-bench"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def command() -> None:
    """Measure what a bundle costs on this machine."""


SAVE = click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), help="Also write the result as JSON."
)


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@SAVE
def compare(bundle: Path, rounds: int, threads: int, save: Path | None) -> None:
    """Time BUNDLE on ONNX Runtime against its network in eager PyTorch, in turn."""
    from lunar_bench.compare import compare_with_eager

    result = compare_with_eager(bundle, rounds, threads)
    for name, timing in result.times.items():
        low, high = timing.quartiles_ms
        click.echo(f"{name:8} {timing.median_ms:9.1f} ms   quartiles {low:.1f} - {high:.1f}")
    click.echo(
        f"bundle / eager {result.bundle_over_eager:.3f}   ({result.student} {result.outputs}, "
        f"{result.size[0]}×{result.size[1]}, {threads} threads, {rounds} rounds)"
    )
    _save(result, save)


@command.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of rendered shards.")
@click.option(
    "--stereolunar", type=click.Path(path_type=Path), help="Folder in StereoLunar's layout."
)
@click.option("--pairs", "count", type=click.IntRange(1), default=256, show_default=True)
@SAVE
def accuracy(
    bundle: Path, data: Path | None, stereolunar: Path | None, count: int, save: Path | None
) -> None:
    """Measure BUNDLE's left pointmaps against the truth, beside the plane null."""
    from lunar_bench.accuracy import measure_bundle

    result = measure_bundle(bundle, data, stereolunar, count)
    m = result.medians
    click.echo(
        f"{result.student} on {len(result.pairs)} {result.data} pairs, {result.size[0]}x"
        f"{result.size[1]}, medians over pairs (plane null in brackets, ratio)"
    )
    for label, name, null, scale, unit in (
        ("AbsRel, median", "absrel_median", "absrel_median_null", 100.0, "%"),
        ("AbsRel, mean", "absrel_mean", "absrel_mean_null", 100.0, "%"),
        ("slope MAE", "slope_mae_deg", "slope_mae_null_deg", 1.0, "°"),
    ):
        own, plane = scale * m[name], scale * m[null]
        click.echo(f"{label:18} {own:7.3f} {unit}  ({plane:.3f} {unit}, {own / plane:.3f})")
    click.echo(f"{'relief correlation':18} {m['relief_correlation']:7.3f}")
    _save(result, save)


@command.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True)
@SAVE
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, required=True)
def footprint(runs: int, save: Path | None, arguments: tuple[str, ...]) -> None:
    """Time and peak memory of `lunar-infer ARGUMENTS` (put `--` before them)."""
    from lunar_bench.footprint import measure_footprint

    result = measure_footprint(list(arguments), runs)
    click.echo(
        f"{result.command}: {result.seconds:.3f} s, peak {result.peak_rss_mib:.0f} MiB "
        f"(median time, largest peak of {runs} runs)"
    )
    _save(result, save)


@command.command()
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
    from lunar_runtime.errors import UsageError

    from lunar_bench import known_pairs, refinement_table

    chosen = [source for source in (stereolunar, rendered, sweep, apollo, profile) if source]
    if len(chosen) != 1:
        raise UsageError("give one of --stereolunar, --rendered, --sweep, --apollo and --profile")
    if cross_sun and stereolunar is None:
        raise UsageError("--cross-sun is for --stereolunar")
    if plot is not None and sweep is None:
        raise UsageError("--plot draws a --sweep")
    if apollo is not None:
        from lunar_bench.refinement_apollo import measure_apollo

        result: msgspec.Struct = (found := measure_apollo(bundle, apollo))
        lines = refinement_table.apollo_lines(found)
    elif profile is not None:
        from lunar_bench.refinement_profile import profile_refinement

        pair = next(known_pairs.rendered_pairs(1, 512, seed))
        result = (timed := profile_refinement(bundle, pair, profile, threads))
        lines = refinement_table.profile_lines(timed)
    elif sweep is not None:
        from lunar_bench.refinement_sweep import measure_sweep, plot_sweep

        for name, point, curves in measure_sweep(bundle, sweep, seed):
            click.echo(refinement_table.point_line(name, point))
            result = curves
        if plot is not None:
            plot_sweep(curves, plot)
        lines = iter(())
    else:
        from lunar_bench.refinement import measure_refinement

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
    _save(result, save)


@command.command("gpu-check")
@click.option(
    "--bundles",
    type=click.Path(path_type=Path),
    default=Path("gpu_check_bundles"),
    show_default=True,
    help="Bundles of random weights; those that are missing are exported into it.",
)
@click.option("--minutes", type=float, default=9.0, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=50, show_default=True)
@SAVE
def gpu_check(bundles: Path, minutes: float, rounds: int, save: Path | None) -> None:
    """Measure this machine's GPU: PyTorch, ONNX Runtime and TensorRT on S2 and the teacher."""
    from lunar_bench.gpu_check import check_gpu

    report = check_gpu(
        bundles, minutes=minutes, rounds=rounds, tell=lambda what: click.echo(what, err=True)
    )
    click.echo(f"{report.gpu}, compute capability {report.compute_capability}")
    for case in report.cases:
        click.echo(f"{case.student} {case.outputs}, {case.size}x{case.size}")
        for name, m in sorted(case.measured.items(), key=lambda item: item[1].over_eager):
            click.echo(
                f"  {name:20} {m.timing.median_ms:9.2f} ms  p99 {m.p99_ms:9.2f}  "
                f"{m.over_eager:6.3f} of eager  {m.device_memory_mib:7.0f} MiB"
            )
        for name, reason in case.not_run.items():
            click.echo(f"  {name:20} not run: {reason}")
    _save(report, save)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _save(result: msgspec.Struct, path: Path | None) -> None:
    if path is None:
        return
    import msgspec
    from lunar_runtime.atomic import atomic_path

    with atomic_path(path) as temporary:
        text = msgspec.json.format(msgspec.json.encode(result), indent=2)
        temporary.write_bytes(text + b"\n")
