"""Options and output that several subcommands share; the rest is in `lunar_runtime`'s options."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import FILE, PATH, json_output, verbose

if TYPE_CHECKING:
    import msgspec

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Item = TypeVar("_Item")

BUNDLES = click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=PATH)
SIZE = click.option(
    "--size",
    type=click.IntRange(32),
    help="Compare at this many pixels along the longer side, not at those of the files.",
)
BUNDLE = click.option("--bundle", type=PATH, help="[default: the one in the package]")
SEED = click.option(
    "--seed", type=int, default=9000, show_default=True, help="Of what is rendered."
)


DATA = click.option(
    "--data",
    type=PATH,
    required=True,
    help="Folder in StereoLunar's layout, or of rendered shards.",
)


def refine_and_sgbm(command: _Function) -> _Function:
    """`--refine` and `--sgbm`: what runs beside the bundles."""
    sgbm = click.option(
        "--sgbm/--no-sgbm",
        default=True,
        show_default=True,
        help="Also classical stereo that is told the true pose.",
    )
    refine = click.option(
        "--refine", is_flag=True, help="Also refined by the images, and the images alone."
    )
    return sgbm(refine(command))


def result_options(command: _Function) -> _Function:
    """`--save`, `--json` and `-v`: of every command that prints a result."""
    save = click.option("--save", type=FILE, help="Also write the result to this file as JSON.")
    for option in (verbose, json_output("the result"), save):
        command = option(command)
    return command


def sides(text: str, least: int) -> list[int]:
    """What `--sizes` gives: sides in pixels, by comma.

    Args:
        text: As given.
        least: How many there need to be, 1 or 2.

    Raises:
        click.UsageError: They are fewer, or a side has less than 32 px.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) < least or min(found) < 32:
        count = "one or more" if least == 1 else "two or more"
        raise click.UsageError(f"--sizes {text}: give {count} sides of 32 px or more")
    return found


def plot(what: str) -> Callable[[_Function], _Function]:
    """`--plot`: draw `what`; refused before anything is measured where matplotlib is missing."""
    return click.option("--plot", type=FILE, callback=_need_matplotlib, help=f"{what} as PNG.")


def echo_lines(lines: Iterable[str], *, as_json: bool) -> None:
    """Print lines for a person; nothing where JSON is asked for."""
    if not as_json:
        for line in lines:
            echo(line)


def progress(what: str) -> Callable[[Iterable[_Item], int], Iterable[_Item]]:
    """What shows how far work on so many of something is, with a bar on a terminal."""

    def shown(items: Iterable[_Item], count: int) -> Iterable[_Item]:
        from rich.console import Console
        from rich.progress import track

        console = Console(stderr=True)
        return track(
            items, what, total=count, console=console, transient=True,
            disable=not console.is_terminal,
        )  # fmt: skip

    return shown


def finish(result: msgspec.Struct, *, as_json: bool, save: Path | None) -> None:
    """Print a result as JSON if asked for, and write it to a file if one is given.

    Raises:
        OutputError: The file cannot be written.
    """
    if not as_json and save is None:
        return
    import msgspec
    from lunar_runtime.files.atomic import atomic_path

    text = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    if as_json:
        click.echo(text.decode(), nl=False)
    if save is not None:
        with atomic_path(save) as temporary:
            temporary.write_bytes(text)


def _need_matplotlib(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and importlib.util.find_spec("matplotlib") is None:
        raise click.UsageError(
            "--plot needs matplotlib; install it with pip install 'lunar-edge[ground]'"
        )
    return path
