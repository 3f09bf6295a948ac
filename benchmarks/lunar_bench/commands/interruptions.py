"""`lunar-bench interruptions`."""

from __future__ import annotations

import logging
from pathlib import Path

import click
from lunar_runtime.commands.options import FILE
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import echo_lines, finish, result_options

# As in the room's record and tasks, which import NumPy.
_KINDS = ("kill", "term", "stop", "disk", "address", "data")
_TASKS = (
    "pair", "overwrite", "batch", "health", "watched", "render", "map", "page", "export",
)  # fmt: skip


@click.command()
@click.option(
    "--points",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Moments, sizes of the disk or of memory: of each kind. The tasks take turns.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--task",
    "tasks",
    type=click.Choice(_TASKS),
    multiple=True,
    help="[default: all but export, which takes long]",
)
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="[default: all]")
@click.option("--journal", type=FILE, help="Keep every trial here; a stopped campaign goes on.")
@click.option(
    "--go-on/--stop-here",
    default=True,
    show_default=True,
    help="Run what --journal lacks, or count what it has.",
)
@result_options
def interruptions(
    points: int,
    seed: int,
    tasks: tuple[str, ...],
    kinds: tuple[str, ...],
    journal: Path | None,
    go_on: bool,
    as_json: bool,
    save: Path | None,
) -> int:
    """Kill commands, stop them, and take disk or memory away; look at what is left, and go on.

    Run it from the project's folder, as root where a full disk is wanted. Exit 5: an output was
    half, an error was no single line, or the next start did not tidy up and say so.
    """
    from lunar_bench.interruptions.measure import measure_interruptions, summary

    result = measure_interruptions(
        points,
        seed,
        tasks=tasks,
        kinds=kinds,  # type: ignore[arg-type]  # click's choices are these words
        journal=journal,
        go_on=go_on,
        tell=logging.getLogger(__name__).info,
    )
    echo_lines(summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
