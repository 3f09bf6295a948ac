"""`lunar-bench`: measure, print, and keep the result with its machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.commands.options import CONTEXT, version

from lunar_bench.commands.accuracy import accuracy
from lunar_bench.commands.archive import archive
from lunar_bench.commands.compare import compare
from lunar_bench.commands.cost import cost
from lunar_bench.commands.coverage import coverage
from lunar_bench.commands.deadlines import deadlines
from lunar_bench.commands.edits import edits
from lunar_bench.commands.footprint import footprint
from lunar_bench.commands.gpu_check import gpu_check
from lunar_bench.commands.guards import guards
from lunar_bench.commands.honesty import honesty
from lunar_bench.commands.index import index
from lunar_bench.commands.interruptions import interruptions
from lunar_bench.commands.landing import landing
from lunar_bench.commands.monitors import monitors
from lunar_bench.commands.page import page
from lunar_bench.commands.peers import peers
from lunar_bench.commands.precision import precision
from lunar_bench.commands.refinement.group import refinement
from lunar_bench.commands.report import report
from lunar_bench.commands.run import run
from lunar_bench.commands.schema import schema
from lunar_bench.commands.sliding import sliding
from lunar_bench.commands.sonnx import sonnx
from lunar_bench.commands.stream import stream
from lunar_bench.commands.upsets import upsets

NAME = "lunar-bench"


class _RunsByDefault(click.Group):
    """A group for which `lunar-bench BUNDLE…` means `lunar-bench run BUNDLE…`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and Path(args[0]).is_dir():
            args = ["run", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_RunsByDefault, context_settings=CONTEXT)
@version(NAME)
def command() -> None:
    """Measure what a bundle costs on this machine, and how good it is.

    `lunar-bench BUNDLE…` is short for `lunar-bench run BUNDLE…`.
    """


for subcommand in (
    run,
    compare,
    report,
    schema,
    cost,
    accuracy,
    archive,
    precision,
    refinement,
    peers,
    page,
    honesty,
    edits,
    interruptions,
    deadlines,
    upsets,
    monitors,
    guards,
    landing,
    coverage,
    sliding,
    stream,
    footprint,
    gpu_check,
    sonnx,
    index,
):
    command.add_command(subcommand)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
