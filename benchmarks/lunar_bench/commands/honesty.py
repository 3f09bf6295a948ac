"""`lunar-bench honesty`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import FILE, PATH, threads
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, progress, result_options


@click.command()
@click.option("--data", type=PATH, help="Folder in StereoLunar's layout, to damage its pairs too.")
@click.option(
    "--rendered", type=click.IntRange(0), default=12, show_default=True, help="Rendered pairs."
)
@click.option("--situations", type=click.IntRange(1), default=400, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--rendered-seed", type=click.IntRange(0), default=9000, show_default=True)
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Run this situation alone and show all of it; c and a number is a clean one. Repeatable.",
)
@click.option(
    "--journal",
    type=FILE,
    help="Keep each situation's record in this file as it is made, and go on from there.",
)
@click.option("--report", type=FILE, help="Also write the counts and what is wrong as Markdown.")
@threads
@BUNDLE
@result_options
def honesty(
    data: Path | None,
    rendered: int,
    situations: int,
    seed: int,
    rendered_seed: int,
    only: tuple[str, ...],
    journal: Path | None,
    report: Path | None,
    threads: int | None,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """Damage pairs whose truth is known, and count confident answers that are wrong.

    Damages are drawn at random over all kinds: detectors, covered ground, images that are no pair,
    wrong cameras, poses, lengths. Each answer is *measured & right*, *measured & wrong*, *guessed*
    or *refused*. Clean pairs stand beside. Exit 5: more than 1 % are measured & wrong, more than 2
    % of the clean ones are lost, or one crashed.
    """
    from lunar_runtime.files.atomic import atomic_path

    from lunar_bench.honesty.measure import CampaignOptions, measure_honesty, run_only
    from lunar_bench.report.honesty_text import markdown, record_lines, summary_lines

    options = CampaignOptions(data, rendered, seed, rendered_seed, bundle, threads)
    if only:
        if save is not None or report is not None or journal is not None or as_json:
            raise click.UsageError(
                "--only shows situations; leave out --save, --report, --journal and --json."
            )
        for record in run_only(options, only):
            echo_lines(record_lines(record), as_json=False)
        return 0
    result = measure_honesty(options, situations, journal=journal, tell=progress("situations"))
    echo_lines(summary_lines(result), as_json=as_json)
    if report is not None:
        with atomic_path(report) as temporary:
            temporary.write_text(markdown(result), encoding="utf-8")
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
