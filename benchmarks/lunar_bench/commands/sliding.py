"""`lunar-bench sliding`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.bundles.choices import OUTPUT_SETS
from lunar_runtime.commands.options import PATH, threads

from lunar_bench.commands.options import echo_lines, finish, plot, result_options

if TYPE_CHECKING:
    from lunar_runtime.bundles.choices import OutputSet

    from lunar_bench.cost.sliding import SlidingResult


@click.command()
@click.argument("bundles", metavar="[BUNDLE...]", nargs=-1, type=PATH)
@click.option("--student", default="S0", show_default=True, help="Of the eager network.")
@click.option("--size", type=click.IntRange(32), default=256, show_default=True)
@click.option(
    "--views",
    default="2,4,8,16,32,64,128",
    show_default=True,
    help="Lengths of the sequences, separated by commas.",
)
@click.option(
    "--outputs",
    type=click.Choice(OUTPUT_SETS),
    default="both",
    show_default=True,
    help="What the eager network computes of every pair.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    help="Repeat every length until it has run so many pairs.",
)
@click.option(
    "--eager/--no-eager",
    default=True,
    show_default=True,
    help="Time the eager network beside the bundles.",
)
@threads
@plot("Time over the number of views")
@result_options
def sliding(
    bundles: tuple[Path, ...],
    student: str,
    size: int,
    views: str,
    outputs: OutputSet,
    pairs: int,
    eager: bool,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Time sequences: N views, N - 1 consecutive pairs.

    Eager PyTorch with every view encoded once (shared) and twice (pairwise, as published), and
    BUNDLEs, pair by pair. A BUNDLE in two graphs (lunar-export --split) encodes every view once;
    give the same network in one graph beside it.
    """
    from lunar_bench.cost.sliding import measure_sliding

    result = measure_sliding(
        student,
        size,
        _lengths(views),
        bundles=bundles,
        outputs=outputs,
        least_pairs=pairs,
        threads=threads,
        eager=eager,
        tell=lambda line: click.echo(line, err=True),
    )
    if plot is not None:
        from lunar_bench.report.sliding_plot import plot_sliding

        plot_sliding(result, plot)
    echo_lines(_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)


def _lines(result: SlidingResult) -> Iterator[str]:
    size = f"{result.size[0]}x{result.size[1]}"
    yield f"{result.student} {result.outputs}, {size}, {result.threads} threads, medians"
    yield f"{'seconds for N views':20}" + "".join(f"{n:>9}" for n in result.rounds)
    for name, sequence in result.sequences.items():
        for label, line in ((name, sequence.wall), ("  processor time", sequence.cpu)):
            times = "".join(f"{ms / 1e3:9.2f}" for ms in line.ms.values())
            yield (
                f"{label:20}{times}   {line.ms_per_pair:.0f} ms a pair + "
                f"{line.ms_at_once:.0f} ms, off the line by at most {line.nonlinearity:.1%}"
            )
    rows = [("shared / pairwise", result.shared_over_pairwise)]
    rows += [("  processor time", result.cpu_shared_over_pairwise)]
    for name, ratios in result.split_over_whole.items():
        rows += [
            (f"{name} / whole", ratios),
            ("  processor time", result.cpu_split_over_whole[name]),
        ]
    for label, ratios in rows:
        if ratios:
            yield f"{label:20}" + "".join(f"{ratio:9.3f}" for ratio in ratios.values())
    for name, megabytes in result.view_mb.items():
        yield f"{name}: {megabytes:.1f} MB a kept view"


def _lengths(text: str) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} are not whole numbers; write for example 2,4,8", param_hint="'--views'"
        ) from error
