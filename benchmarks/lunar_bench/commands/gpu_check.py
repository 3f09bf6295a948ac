"""`lunar-bench gpu-check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_bench.gpu.report import GpuReport


@click.command("gpu-check")
@click.option(
    "--bundles",
    type=PATH,
    default=Path("gpu_check_bundles"),
    show_default=True,
    help="Bundles of random weights, none judged for accuracy. Those that are missing are exported "
    "into it, in half of --minutes at most; the next call measures what this one had no time for.",
)
@click.option(
    "--minutes",
    type=float,
    default=9.0,
    show_default=True,
    help="After that nothing new is begun. FP32 goes first.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Of each network, fewer where they would take over a minute.",
)
@result_options
def gpu_check(bundles: Path, minutes: float, rounds: int, as_json: bool, save: Path | None) -> None:
    """Measure this machine's GPU: PyTorch, ONNX Runtime and TensorRT on S2 and the teacher."""
    from lunar_bench.gpu.check import check_gpu

    report = check_gpu(
        bundles, minutes=minutes, rounds=rounds, tell=lambda what: click.echo(what, err=True)
    )
    echo_lines(_lines(report), as_json=as_json)
    finish(report, as_json=as_json, save=save)


def _lines(report: GpuReport) -> Iterator[str]:
    yield f"{report.gpu}, compute capability {report.compute_capability}"
    for case in report.cases:
        yield f"{case.student} {case.outputs}, {case.size}x{case.size}"
        for name, m in sorted(case.measured.items(), key=lambda item: item[1].over_eager):
            p99 = "-" if m.timing.p99_ms is None else f"{m.timing.p99_ms:.2f}"
            yield (
                f"  {name:20} {m.timing.median_ms:9.2f} ms  p99 {p99:>9}  "
                f"{m.over_eager:6.3f} of eager  {m.device_memory_mib:7.0f} MiB"
            )
        for name, reason in case.not_run.items():
            yield f"  {name:20} not run: {reason}"
