"""How many pairs end: a line for each, those that failed in a list, and how many there were."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import click
import msgspec

from lunar_runtime.commands.bar import with_bar
from lunar_runtime.commands.command_line import echo, fail, with_flags
from lunar_runtime.commands.pairs import Outcome
from lunar_runtime.commands.summary import summary_lines
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.files.atomic import atomic_path
from lunar_runtime.files.pair_lists import COLUMNS, PairFiles
from lunar_runtime.files.printable import printable
from lunar_runtime.report.report import encode_report


def tell_many(
    ending: Generator[Outcome, None, None],
    pairs: Sequence[PairFiles],
    folder: Path,
    *,
    as_json: bool,
    failures: Path | None,
    tool: str,
) -> int:
    """Print a line for each pair and its notes as they end, and go on where one failed.

    Args:
        ending: The pairs as they end.
        pairs: All of them.
        folder: Where the pairs' folders go.
        as_json: Print reports and failures as JSON.
        failures: File for the pairs that failed; None writes none.
        tool: In front of every error.

    Returns:
        The exit code: 0, or 3 where a pair failed.

    Raises:
        OutputError: `failures` cannot be written.
    """
    guessed = before = 0
    failed: list[tuple[PairFiles, LunarError]] = []
    try:
        with closing(ending), with_bar(ending, len(pairs)) as shown:
            for pair, outcome in shown:
                if isinstance(outcome, LunarError):
                    failed.append((pair, outcome))
                    _tell_failure(pair, outcome, as_json=as_json, tool=tool)
                    continue
                guessed += outcome.report.verdict == "guessed"
                before += outcome.before
                if as_json:
                    click.echo(encode_report(outcome.report).decode())
                    continue
                first, *others = summary_lines(outcome.report)
                for line in [f"{first} (there already)" if outcome.before else first, *others]:
                    echo(line)
    finally:  # also of what ends the batch
        if failures is not None:
            write_failures(failures, failed)
    if not as_json:
        done = len(pairs) - len(failed)
        how = f" ({done - guessed} measured, {guessed} guessed)" if done else ""
        there = f", {before} of them before" if before else ""
        echo(f"{done} of {len(pairs)} pairs done{how}{there}, in {folder}")
    if failed:
        listed = "" if failures is None else f"; they are listed in {failures}"
        fail(tool, f"{len(failed)} of {len(pairs)} pairs failed{listed}")
    return InputError.exit_code if failed else 0


def write_failures(path: Path, failed: Sequence[tuple[PairFiles, LunarError]]) -> None:
    """Write pairs that failed as a list of pairs, each with its error.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for pair, error in failed:
        files = (pair.left, pair.right, pair.rig, *pair.masks)
        paths = ["" if file is None else str(file.absolute()) for file in files]
        table.writerow([*paths, str(pair.out), " ".join(printable(error).split())])
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _tell_failure(pair: PairFiles, error: LunarError, *, as_json: bool, tool: str) -> None:
    message = with_flags(str(error), click.get_current_context().command)
    fail(tool, message if str(pair.left) in message else f"{pair.left}: {message}")
    if as_json:
        failure = {
            "status": "failed",
            "left": {"path": printable(pair.left)},
            "right": {"path": printable(pair.right)},
            "error": printable(error),
        }
        click.echo(msgspec.json.encode(failure).decode())
