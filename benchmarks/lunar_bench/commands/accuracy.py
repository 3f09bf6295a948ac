"""`lunar-bench accuracy`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import INTERRUPTED
from lunar_runtime.commands.options import backend, device

from lunar_bench.commands.options import (
    BUNDLES,
    DATA,
    SIZE,
    echo_lines,
    finish,
    progress,
    refine_and_sgbm,
    result_options,
)


@click.command()
@BUNDLES
@DATA
@click.option("--pairs", "count", type=click.IntRange(1), default=256, show_default=True)
@SIZE
@refine_and_sgbm
@backend
@device
@click.option("--groups", is_flag=True, help="Also a table for every scene and every sun.")
@result_options
def accuracy(
    bundles: tuple[Path, ...],
    data: Path,
    count: int,
    size: int | None,
    sgbm: bool,
    refine: bool,
    backend: str,
    device: str,
    groups: bool,
    as_json: bool,
    save: Path | None,
) -> int:
    """Measure BUNDLEs against the truth, beside the plane null and classical stereo.

    Two tables: by our definitions (depth after a similarity alignment, slope at sigma = 2 px;
    the miss rate is what matters), then by the published evaluation's own, whose slope is per
    pixel and not physical. The JSON has every figure, per scene, per sun and per pair.
    """
    from lunar_bench.accuracy.measure import measure_accuracy_of
    from lunar_bench.report.accuracy_text import group_lines, summary_lines

    report = measure_accuracy_of(
        list(bundles),
        data,
        count=count,
        size=size,
        sgbm=sgbm,
        refine=refine,
        backend=backend,
        device=device,
        tell=progress("pairs"),
    )
    echo_lines(summary_lines(report), as_json=as_json)
    if groups:
        echo_lines(group_lines(report), as_json=as_json)
    finish(report, as_json=as_json, save=save)
    return INTERRUPTED if report.partial else 0
