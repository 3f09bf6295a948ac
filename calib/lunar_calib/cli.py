"""`lunar-calib`: the group of its commands."""

from __future__ import annotations

from collections.abc import Sequence

import click
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.commands.options import CONTEXT, version

from lunar_calib.commands.descent import descent
from lunar_calib.commands.inspect import inspect
from lunar_calib.commands.make import make
from lunar_calib.commands.render import render
from lunar_calib.commands.shards import shards
from lunar_calib.commands.verify import verify

NAME = "lunar-calib"


@click.group(context_settings=CONTEXT)
@version(NAME)
def command() -> None:
    """Lunar imagery: rendered pairs and descents with exact truth, and calibration sets."""


for each in (render, descent, shards, make, inspect, verify):
    command.add_command(each)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `lunar-calib`; see `run_command` for the exit codes."""
    run_command(command, NAME, arguments)
