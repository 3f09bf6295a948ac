"""`lunar-bench page`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import FILE, PATH, backend, device, overwrite, verbose

from lunar_bench.commands.options import BUNDLES, DATA, SIZE, progress, refine_and_sgbm


@click.command()
@BUNDLES
@DATA
@click.option("--pairs", "count", type=click.IntRange(1), default=4, show_default=True)
@SIZE
@refine_and_sgbm
@click.option(
    "--record",
    "records",
    multiple=True,
    type=PATH,
    help="Also what networks cost: a result.json of `lunar-bench run`, or its folder.",
)
@click.option(
    "--accuracy",
    "accuracies",
    multiple=True,
    type=FILE,
    help="Errors of the networks in --record: what `lunar-bench accuracy --save` wrote.",
)
@click.option("--ablation", type=FILE, help="Also the arms of a `lunar-distill ablate`: its JSON.")
@backend
@device
@click.option(
    "--out", type=FILE, default=Path("page.html"), show_default=True, help="The page's file."
)
@click.option("--title", default="lunar-bench", show_default=True, help="Of the page.")
@overwrite("the file that is there")
@verbose
def page(
    bundles: tuple[Path, ...],
    data: Path,
    count: int,
    size: int | None,
    sgbm: bool,
    refine: bool,
    records: tuple[Path, ...],
    accuracies: tuple[Path, ...],
    ablation: Path | None,
    backend: str,
    device: str,
    out: Path,
    title: str,
    overwrite: bool,
) -> None:
    """Show BUNDLEs on pairs with known truth: one HTML page, as lunar-view's.

    The arms of an ablation are bundles like any other: export each one's checkpoint, and give
    their folders. Lengths are scaled to the truth. The page needs no network.
    """
    from lunar_ground.page.content import Content
    from lunar_ground.page.write import check_page, write_page

    from lunar_bench.accuracy.page_pairs import page_pairs
    from lunar_bench.report.page_networks import arms_of, networks_of

    check_page(out, overwrite=overwrite)
    networks = networks_of(records, accuracies)
    arms = [] if ablation is None else arms_of(ablation)
    pairs = page_pairs(
        list(bundles),
        data,
        sgbm=sgbm,
        count=count,
        size=size,
        refine=refine,
        backend=backend,
        device=device,
        tell=progress("pairs"),
    )
    written = write_page(Content(title, pairs, networks, arms), out, overwrite=overwrite)
    echo(f"page   {out}, {written / 1e6:.1f} MB")
    echo(f"pairs  {len(pairs)}, {len(pairs[0].views[0].methods) - 1} methods and the truth")
