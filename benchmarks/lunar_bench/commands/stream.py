"""`lunar-bench stream`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH, threads

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, result_options


@click.command()
@click.argument("descent", type=PATH)
@click.option(
    "--situation",
    "situations",
    type=click.Choice(
        ["whole", "every fifth missing", "gap of 5 s", "poses 20 % off", "poses stop"]
    ),
    multiple=True,
    help="May be given again.  [default: all]",
)
@click.option(
    "--rate-hz",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="At which frames are pushed, by the wall's clock.",
)
@click.option(
    "--sequence", type=PATH, help="Also a scene of StereoLunar: its frames in their order."
)
@BUNDLE
@threads
@result_options
def stream(
    descent: Path,
    situations: tuple[str, ...],
    rate_hz: float,
    sequence: Path | None,
    bundle: Path | None,
    threads: int | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """How soon a descent's updates come, what is dropped, and how good they are.

    DESCENT is a folder of `lunar-calib descent`; see docs/guides/descent.md.
    """
    import logging

    from lunar_bench.streams.measure import SITUATIONS, measure_streams, summary

    result = measure_streams(
        bundle,
        descent,
        situations or SITUATIONS,
        rate_hz=rate_hz,
        threads=threads,
        sequence=sequence,
        tell=logging.getLogger(__name__).info,
    )
    echo_lines(summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
