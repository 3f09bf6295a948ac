"""Options that several commands of `lunar-calib` have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lunar_calib.choices import GeometryKind, Preset

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Option = Callable[[_Function], _Function]

FOLDER = click.Path(path_type=Path, file_okay=False)


def out(what: str, kind: click.Path = FOLDER) -> _Option[Any]:
    """`--out`: the folder to write."""
    return click.option("--out", type=kind, required=True, help=what)


def size(what: str, default: int, least: int = 64, most: int | None = 2048) -> _Option[Any]:
    """`--size`, parameter `size_px`: side of square images."""
    return click.option(
        "--size",
        "size_px",
        type=click.IntRange(least, most),
        default=default,
        show_default=True,
        help=what,
    )


def preset(default: Preset) -> _Option[Any]:
    """`--preset`: image style of rendered pairs."""
    return click.option(
        "--preset",
        type=click.Choice([each.value for each in Preset]),
        default=default.value,
        show_default=True,
        help="stereolunar: attached shadows, clean; realistic: cast shadows, albedo, noise; mix: "
        "half of each.",
    )


def kind(command: _Function) -> _Function:
    """`--kind`: geometry family of rendered pairs."""
    return click.option(
        "--kind", type=click.Choice([each.value for each in GeometryKind]), help="All pairs so."
    )(command)


def seed(command: _Function) -> _Function:
    """`--seed`."""
    return click.option("--seed", type=click.IntRange(0), default=0, show_default=True)(command)


def jobs(command: _Function) -> _Function:
    """`--jobs`: processes that render; what they make does not depend on their number."""
    return click.option(
        "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes."
    )(command)
