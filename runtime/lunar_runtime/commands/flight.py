"""Options of `lunar-infer` for a vehicle: in time, and watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(command: _Function) -> _Function:
    """`--deadline-ms`."""
    return click.option(
        "--deadline-ms",
        type=click.FloatRange(min=0, min_open=True),
        help="From a pair's images to its result: the best that fits is given, down to an earlier "
        "pair's result with its age. What pairs cost is measured first. Writing comes after.",
    )(command)
