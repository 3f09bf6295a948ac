"""`lunar-view`: results as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo, run_command
from lunar_runtime.commands.memory_limits import Needs, check_memory
from lunar_runtime.commands.options import CONTEXT, FILE, PATH, overwrite, verbose, version

NAME = "lunar-view"
# Of small results. With 75 MiB of addresses or 30 of data OpenBLAS ended the process; with 133, 75
# it was said that memory ran out.
_NEEDS = Needs(address=130, data=60, held=50)


@click.command(context_settings=CONTEXT)
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=PATH)
@click.option(
    "--truth",
    multiple=True,
    type=PATH,
    help="True depth of the left image: an NPZ with `depth_left` or `depth_m`, or the folder of a "
    "rendered pair. Of several pairs once for each, in the order of the results.",
)
@click.option(
    "--out", type=FILE, default=Path("page.html"), show_default=True, help="The page's file."
)
@click.option("--title", default="lunar-view", show_default=True, help="Of the page.")
@click.option(
    "--size",
    "longest",
    type=click.IntRange(16, 2048),
    default=512,
    show_default=True,
    help="Pixels of the page's maps along their longer side, at most. Numbers are of the results' "
    "own pixels.",
)
@overwrite("the file that is there")
@verbose
@version(NAME)
def command(
    results: tuple[Path, ...],
    truth: tuple[Path, ...],
    out: Path,
    title: str,
    longest: int,
    overwrite: bool,
) -> None:
    """Put RESULTs, folders that lunar-infer wrote, side by side on one HTML page.

    The folder of a batch stands for all results in it. Results of the same two images are methods
    of one pair. The page works from the disk, needs no network, and shows maps, point clouds,
    profiles and, with --truth, errors and numbers.

    Exit codes: 0 done, 2 wrong usage, 3 unusable input, or the page is there already.
    """
    check_memory(_NEEDS)
    from lunar_ground.folders.result_folder import find_result_folders
    from lunar_ground.page.content import Content
    from lunar_ground.page.results import pairs_of_results
    from lunar_ground.page.write import check_page, write_page

    check_page(out, overwrite=overwrite)
    folders = [folder for result in results for folder in find_result_folders(result)]
    pairs = pairs_of_results(folders, truth, longest)
    size = write_page(Content(title, pairs), out, overwrite=overwrite)
    methods = max(len(view.methods) for pair in pairs for view in pair.views)
    echo(f"page   {out}, {size / 1e6:.1f} MB")
    echo(f"pairs  {len(pairs)}, at most {methods} methods")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
