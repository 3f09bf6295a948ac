"""Values of `lunar-infer`'s options that are more than a word or a number, read by click."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunar_runtime.commands.memory_limits import INFER, check_memory

if TYPE_CHECKING:
    from lunar_runtime.files.window import Windows
    from lunar_runtime.geometry.cameras import Intrinsics


def intrinsics(_: click.Context, __: click.Parameter, value: str | None) -> Intrinsics | None:
    """A pinhole camera: FX,FY,CX,CY."""
    if value is None:
        return None
    check_memory(INFER)  # NumPy comes with it
    from lunar_runtime.geometry.cameras import Intrinsics

    return Intrinsics.parse(value)


def windows(_: click.Context, __: click.Parameter, value: str | None) -> Windows | None:
    """Part of both images, or of each: four or eight numbers."""
    from lunar_runtime.files.window import parse_windows

    return None if value is None else parse_windows(value)


def masks(
    _: click.Context, __: click.Parameter, value: str | None
) -> tuple[Path | None, Path | None]:
    """LEFT,RIGHT, one of which may be empty."""
    if value is None:
        return None, None
    left, comma, right = value.partition(",")
    if not comma or "," in right or not (left or right):
        raise click.BadParameter(f"{value!r} is not LEFT,RIGHT; one of the two may be empty.")
    return Path(left) if left else None, Path(right) if right else None


def aim(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """A pixel: X,Y."""
    if value is None:
        return None
    try:
        x, y = (float(part) for part in value.split(","))
    except ValueError:
        x = y = math.nan
    if not (math.isfinite(x) and math.isfinite(y)):
        raise click.BadParameter(f"{value!r} is not X,Y in pixels.")
    return x, y


def metres(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """A finite length; click's ranges let NaN and infinity through."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value!r} is not a length in metres.")
    return value
