"""`lunar-bench edits`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_bench.edits.measure import EditsResult


@click.command()
@click.option("--edits", type=click.IntRange(1), default=3000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--every-bit",
    is_flag=True,
    help="Also turn over every bit of the manifest, and cut it to every length.",
)
@BUNDLE
@result_options
def edits(
    edits: int, seed: int, every_bit: bool, bundle: Path | None, as_json: bool, save: Path | None
) -> int:
    """Edit a copy of a bundle, file after file, and see whether lunar-infer refuses each edit.

    Bits, bytes, blocks, cuts, what comes after the end. Exit 5: an edit was not refused with exit 3
    and one line.
    """
    from lunar_bench.edits.measure import measure_edits

    with _progress() as tell:
        result = measure_edits(bundle, edits, seed, exhaustive=every_bit, tell=tell)
    echo_lines(_summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code


def _summary(result: EditsResult) -> Iterator[str]:
    for name, kinds in result.counts.items():
        total = sum(sum(found.values()) for found in kinds.values())
        refused = sum(found.get("refused", 0) for found in kinds.values())
        yield f"{name:<16}{refused} of {total} edits refused"
    for what, found in (("every bit", result.every_bit), ("every length", result.every_cut)):
        if found:
            yield f"{what:<16}{found.get('refused', 0)} of {sum(found.values())} refused"
    for each in result.unnoticed:
        yield f"  {each.number}: {each.file}, {each.kind} at {each.place}: {each.outcome}"


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    import sys

    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console

    with Console(file=sys.stderr).status("editing") as status:  # stderr is caught now and then
        yield lambda done, of: status.update(f"{done} of {of} edits")
