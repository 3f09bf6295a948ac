"""Options of `lunar-infer` for a sequence of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from lunar_runtime.commands.values import metres

_Function = TypeVar("_Function", bound=Callable[..., Any])
# Parameter -> its flag; what makes no sense beside --stream.
_ALONE = {
    "right": "RIGHT",
    "baseline_m": "--baseline-m",
    "altitude_m": "--altitude-m",
    "window": "--window",
    "aim": "--aim",
    "other_suns": "--other-suns",
    "geometry_only": "--geometry-only",
    "sequence": "--sequence",
    "altimeter_m": "--altimeter-m",
    "scheduler": "--scheduler",
    "resume": "--resume",
    "failures": "--failures",
}


def options(command: _Function) -> _Function:
    """`--stream`, `--rate-hz` and `--live`."""
    for option in (
        click.option(
            "--live",
            is_flag=True,
            help="With --stream: take every frame at its own time; while a pair is computed frames "
            "go by, and the newest is next.  [default: every frame is looked at]",
        ),
        click.option(
            "--rate-hz",
            type=click.FloatRange(min=0, min_open=True),
            callback=metres,
            help="With --stream: of a folder of images; of a video instead of its own.",
        ),
        click.option(
            "--stream",
            is_flag=True,
            help="LEFT is one camera's frames in order: a folder with descent.json, a folder of "
            "images, or a video. Frames become pairs by themselves.",
        ),
    ):
        command = option(command)
    return command


def check(given: Mapping[str, Any], *, stream: bool) -> None:
    """Refuse options that have no use with `--stream`, or without it.

    Raises:
        UsageError: The line names the option.
    """
    if not stream:
        for name in ("rate_hz", "live"):
            if given.get(name):
                raise click.UsageError(f"--{name.replace('_', '-')} is of --stream; give both.")
        return
    for name, flag in _ALONE.items():
        if given.get(name):
            raise click.UsageError(f"{flag} is not of a sequence of frames; leave it out.")
    if given.get("view") != "left":
        raise click.UsageError("--stream shows the newest frame; leave out --view.")
    if given.get("refine") == "off":
        raise click.UsageError("--stream needs the refinement's poses; leave out --refine off.")
