"""`lunar-calib render`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.memory_limits import Needs, check_memory
from lunar_runtime.commands.options import FILE, overwrite, verbose

from lunar_calib.choices import (
    DEPTH_FORMATS,
    IMAGE_FORMATS,
    LAYOUTS,
    DepthFormat,
    ImageFormat,
    Layout,
    Preset,
)
from lunar_calib.commands.options import jobs, kind, out, preset, seed, size

# Of one process and small pairs: NumPy and OpenCV, with an OpenBLAS each. 350 and 130 were enough;
# with 111 of data OpenBLAS ended the process.
_NEEDS = Needs(address=345, data=122, held=60)


@click.command()
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Pairs.")
@size("Side of the square images, pixels.", 512)
@seed
@out("Folder for the scenes.")
@preset(Preset.STEREOLUNAR)
@kind
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="stereolunar",
    show_default=True,
    help="rig: left.png, right.png, rig.json and truth.npz, as lunar-infer takes them; of landings "
    "ground.npz too.",
)
@click.option(
    "--lander",
    type=FILE,
    help="Vehicle (JSON) whose true hazards ground.npz has; of landings and approaches.",
)
@click.option(
    "--depth",
    type=click.Choice(DEPTH_FORMATS),
    default="npz",
    show_default=True,
    help="exr needs the [ground] extra.",
)
@click.option("--image", type=click.Choice(IMAGE_FORMATS), default="png", show_default=True)
@jobs
@overwrite("files of the same names in a folder that is not empty")
@verbose
def render(
    count: int,
    size_px: int,
    seed: int,
    out: Path,
    preset: str,
    kind: str | None,
    layout: Layout,
    lander: Path | None,
    depth: DepthFormat,
    image: ImageFormat,
    jobs: int,
    overwrite: bool,
) -> None:
    """Render stereo pairs with their depth and cameras.

    The same seed gives the same files, whatever --jobs is.
    """
    check_memory(_NEEDS)
    from lunar_runtime.landing.lander import read_lander

    from lunar_calib.commands.progress import track
    from lunar_calib.datasets.rendered_folders import write_folder

    scenes = write_folder(
        out,
        count,
        size_px,
        seed,
        preset=preset,
        kind=kind,
        layout=layout,
        depth=depth,
        image=image,
        lander=None if lander is None else read_lander(lander),
        jobs=jobs,
        overwrite=overwrite,
    )
    for scene in track(scenes, "rendering", count):
        echo(scene)
