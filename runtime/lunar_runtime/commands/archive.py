"""Options of `lunar-infer` for archives: many pairs, resumed, or spread over machines.

Who spreads pairs is another package's function, found by an entry point whose name is the scheme of
the scheduler's address, as backends and image formats are found:

    [project.entry-points."lunar_edge.schedulers"]
    tcp = "lunar_ground.archive.spread:spread"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lunar_runtime.commands.options import FILE
from lunar_runtime.errors import BackendError, InputError, UsageError

if TYPE_CHECKING:
    from lunar_runtime.commands.orders import Order
    from lunar_runtime.commands.pairs import Outcome
    from lunar_runtime.files.pair_lists import PairFiles

GROUP = "lunar_edge.schedulers"
_CLUSTER = "pip install 'lunar-edge[cluster]'"
# Of one vehicle with one clock: they mean nothing to an archive.
_OF_A_VEHICLE = ("sequence", "deadline_ms", "health", "altimeter_m", "watchdog", "mlock")

_Function = TypeVar("_Function", bound=Callable[..., Any])


def options(command: _Function) -> _Function:
    """What an archive asks beside a pair."""
    for option in (
        click.option(
            "--failures",
            type=FILE,
            metavar="FILE.csv",
            help="List the pairs of many that failed here, with their errors: a list of pairs "
            "again, for the next run. Replaces the file.",
        ),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=1,
            show_default=True,
            help="With --scheduler: how often a pair is tried again at the end that a lost worker, "
            "missing memory or an unwritable result cost.",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Of many pairs: keep results that are whole and were asked for in the same way, "
            "both by their digests, and make what is missing or damaged.",
        ),
        click.option(
            "--scheduler",
            metavar="local:N|tcp://HOST:PORT",
            help="Spread many pairs with Dask over N processes here, or over the workers of a "
            "scheduler. Every worker has one session and --threads, there 1 by default.",
        ),
    ):
        command = option(command)
    return command


def check_alone(context: click.Context) -> None:
    """Refuse what does not go together with --scheduler.

    Raises:
        UsageError: The line names the option.
    """
    for name in _OF_A_VEHICLE:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"`{name}` is a vehicle's; leave it out with `scheduler`")


def find_pairs(
    left: Path,
    right: Path | None,
    out: Path | None,
    *,
    overwrite: bool,
    kept: bool,
    masks: tuple[Path | None, Path | None],
) -> tuple[list[PairFiles], Path, bool]:
    """The pairs, the folder of their results, and whether LEFT named many.

    Raises:
        InputError: There are none, or the list of them cannot be used.
        OutputError: One pair's folder is there already.
    """
    from lunar_runtime.files.pair_lists import PairFiles, is_batch, read_pairs
    from lunar_runtime.report.result_names import check_out

    if right is None and is_batch(left):
        if any(masks):
            raise click.UsageError(
                "--mask is of one pair; of many, name masks in a CSV file, in the columns "
                "left_mask and right_mask."
            )
        return read_pairs(left), out or Path(f"{left.resolve().stem}_depth"), True
    if right is None and not left.exists():
        raise InputError(f"{left}: no such file or folder; check the path")
    if right is None:
        raise click.UsageError(
            "Missing argument 'RIGHT'; only a folder or a .csv file comes alone."
        )
    if is_batch(right):
        raise click.UsageError("RIGHT must be an image, not a folder or a .csv file.")
    context = click.get_current_context()
    for name in ("scheduler", "resume", "retries", "failures"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"`{name}` is for many pairs; give a folder or a .csv file of them")
    folder = out or Path(f"{left.stem}_depth")
    check_out(folder, overwrite=overwrite)
    return [PairFiles(left, right, None, Path(), masks)], folder, False


def spread(
    address: str, order: Order, pairs: Sequence[PairFiles]
) -> Generator[Outcome, None, None]:
    """Hand pairs to whoever knows such a scheduler, and give them as they end.

    Raises:
        UsageError: Nobody knows it.
        BackendError: What it needs is not installed.
    """
    from lunar_runtime.files.entry_points import entry_points

    scheme, found = address.partition(":")[0], entry_points(GROUP)
    entry = next((one for one in found if one.name == scheme), None)
    if entry is None:
        known = sorted({one.name for one in found})
        if not known:
            raise BackendError(f"`scheduler` {address}: needs lunar_ground; {_CLUSTER}")
        raise UsageError(f"`scheduler` {address}: write one of {', '.join(known)} before the colon")
    try:
        function: Callable[..., Generator[Outcome, None, None]] = entry.load()
    except ModuleNotFoundError as error:
        missing = (error.name or "its modules").partition(".")[0]
        raise BackendError(f"`scheduler` {address}: {missing} is missing; {_CLUSTER}") from error
    # A worker has another current folder; the links in a path are its own.
    here = [pair._replace(**_absolute(pair)) for pair in pairs]
    return function(address, order.absolute(), here)


def _absolute(pair: PairFiles) -> dict[str, Any]:
    def at_root(path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100  keeps links

    left_mask, right_mask = pair.masks
    return {
        "left": at_root(pair.left),
        "right": at_root(pair.right),
        "rig": at_root(pair.rig),
        "masks": (at_root(left_mask), at_root(right_mask)),
    }
