"""Options of `lunar-export` that are more than a name and a type."""

from __future__ import annotations

import click

#: Members of the family; spelled here because lunar_student imports torch.
STUDENTS = ("S0", "S1", "S2", "S3", "S4", "teacher")

#: Which weights of a checkpoint; likewise.
WEIGHTS = ("model", "ema")


def rows_columns(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    """`512` or `480x640` as (rows, columns)."""
    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise click.BadParameter(f"{value!r} is neither a number of pixels nor HxW.")
    return int(sides[0]), int(sides[-1])
