"""`lunar-bench`: measure, print, and keep the result with its machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime import __version__
from lunar_runtime.command_line import run_command

from lunar_bench.commands.accuracy import accuracy
from lunar_bench.commands.options import SAVE, save_result
from lunar_bench.commands.precision import precision
from lunar_bench.commands.refinement import refinement
from lunar_bench.commands.sliding import sliding

NAME = "lunar-bench"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def command() -> None:
    """Measure what a bundle costs on this machine."""


@command.command()
@click.argument("bundles", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@SAVE
def compare(bundles: tuple[Path, ...], rounds: int, threads: int, save: Path | None) -> None:
    """Time BUNDLES on ONNX Runtime and their network in eager PyTorch, in turn."""
    from lunar_bench.compare import compare_with_eager

    result = compare_with_eager(bundles, rounds, threads)
    for name, timing in result.times.items():
        low, high = timing.quartiles_ms
        click.echo(f"{name:16} {timing.median_ms:9.1f} ms   quartiles {low:.1f} - {high:.1f}")
    for name, bundle in result.bundles.items():
        worst = max(bundle.difference.values())
        click.echo(
            f"{name:16} / eager {bundle.over_eager:.3f}   / {bundles[0].name} "
            f"{bundle.over_first:.3f}   {bundle.model_mb:.1f} MB   difference {worst:.1e}"
        )
    click.echo(
        f"{result.student} {result.outputs}, {result.size[0]}×{result.size[1]}, {threads} threads, "
        f"{rounds} rounds, {' '.join(result.instructions)}"
    )
    save_result(result, save)


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
    save_result(result, save)


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
    save_result(report, save)


command.add_command(accuracy)
command.add_command(refinement)
command.add_command(precision)
command.add_command(sliding)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
