"""`lunar-map`: a result as maps that geographic information systems open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo, run_command
from lunar_runtime.commands.memory_limits import Needs, check_memory
from lunar_runtime.commands.options import CONTEXT, PATH, overwrite, verbose, version
from lunar_runtime.files.held_memory import keep

NAME = "lunar-map"
# Of small results. With 75 MiB of addresses or 30 of data OpenBLAS ended the process; with 133, 75
# it was said that memory ran out. rasterio did not load with 75 of data, and worked with 133.
_NEEDS = Needs(address=130, data=100, held=60)


@click.command(context_settings=CONTEXT)
@click.argument("result", metavar="RESULT", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder to write.")
@click.option(
    "--cell-m",
    type=click.FloatRange(min=0, min_open=True),
    help="Side of a cell, metres. Without it the distance of neighbouring pixels on the ground.",
)
@click.option(
    "--like",
    type=PATH,
    help="A map with a lunar projection: take its projection and its cells, so that both merge.",
)
@click.option("--image", type=PATH, help="The left image, where it was moved since.")
@overwrite("maps that are there")
@verbose
@version(NAME)
def command(
    result: Path,
    out: Path,
    cell_m: float | None,
    like: Path | None,
    image: Path | None,
    overwrite: bool,
) -> None:
    """Write the maps of RESULT, a folder that lunar-infer wrote, as Cloud Optimized GeoTIFFs.

    dem.tif, dem_sigma.tif, ortho.tif, slope.tif, hillshade.tif and, of a result with a lander,
    hazard.tif and safe_probability.tif; beside each its coordinate system as WKT2. Where the rig
    has body_from_left, in a lunar projection, with sites.geojson, and else in a local frame.

    Exit codes: 0 done, 2 wrong usage, or the result has no metres, 3 unusable input, or the maps
    are there already, 4 rasterio is missing.
    """
    check_memory(_NEEDS)
    keep()
    from lunar_ground.maps.write import write_maps

    written = write_maps(result, out, cell_m=cell_m, like=like, image=image, overwrite=overwrite)
    cells = written.cells
    rows, columns = cells.height.shape
    holes = float((cells.height != cells.height).mean())
    where = "local frame" if cells.projection is None else cells.projection.words
    if written.guessed:
        echo(f"result guessed: {'; '.join(written.guessed)}")
    echo(f"maps   {out}: {', '.join(written.names)}")
    echo(f"cells  {columns} x {rows} of {cells.cell_m:g} m, {holes:.0%} not seen; {where}")
    if cells.rim_left_out:
        echo("rim    the view is wider than a map may be; its least dense rim is left out")
    if cells.up_off_deg > 1:
        echo(f"up     of slope.tif, {cells.up_off_deg:.2g} degrees off the Moon's radius here")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
