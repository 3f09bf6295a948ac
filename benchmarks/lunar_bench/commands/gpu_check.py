"""`lunar-bench gpu-check`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_bench.commands.options import SAVE, save_result


@click.command("gpu-check")
@click.option(
    "--bundles",
    type=click.Path(path_type=Path),
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
@SAVE
def gpu_check(bundles: Path, minutes: float, rounds: int, save: Path | None) -> None:
    """Measure this machine's GPU: PyTorch, ONNX Runtime and TensorRT on S2 and the teacher."""
    from lunar_bench.gpu.gpu_check import check_gpu

    report = check_gpu(
        bundles, minutes=minutes, rounds=rounds, tell=lambda what: click.echo(what, err=True)
    )
    click.echo(f"{report.gpu}, compute capability {report.compute_capability}")
    for case in report.cases:
        click.echo(f"{case.student} {case.outputs}, {case.size}x{case.size}")
        for name, m in sorted(case.measured.items(), key=lambda item: item[1].over_eager):
            p99 = "-" if m.timing.p99_ms is None else f"{m.timing.p99_ms:.2f}"
            click.echo(
                f"  {name:20} {m.timing.median_ms:9.2f} ms  p99 {p99:>9}  "
                f"{m.over_eager:6.3f} of eager  {m.device_memory_mib:7.0f} MiB"
            )
        for name, reason in case.not_run.items():
            click.echo(f"  {name:20} not run: {reason}")
    save_result(report, save)
