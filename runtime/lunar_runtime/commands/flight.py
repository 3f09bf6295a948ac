"""Options of `lunar-infer` for a vehicle: in time, and watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lunar_runtime.inference.self_test import EVERY, SELF_TESTS

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(command: _Function) -> _Function:
    """`--deadline-ms`, `--self-test`, `--self-test-every`."""
    command = click.option(
        "--self-test-every",
        type=click.IntRange(1),
        default=EVERY,
        show_default=True,
        help="Pairs from one self-test to the next.",
    )(command)
    command = click.option(
        "--self-test",
        type=click.Choice(SELF_TESTS),
        default="load",
        show_default=True,
        help="Run the bundle's golden pair and compare: before the first pair (`load`); then too, "
        "and before every --self-test-every pairs (`period`); or never.",
    )(command)
    return click.option(
        "--deadline-ms",
        type=click.FloatRange(min=0, min_open=True),
        help="From a pair's images to its result: the best that fits is given, down to an earlier "
        "pair's result with its age. What pairs cost is measured first. Writing comes after.",
    )(command)
