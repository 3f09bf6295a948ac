"""`lunar-calib`: make and inspect lunar stereo imagery."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.version import __version__

from lunar_calib.commands import sets as set_cli

NAME = "lunar-calib"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def command() -> None:
    """Lunar imagery: rendered stereo pairs with exact ground truth, and calibration sets."""


@command.command()
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Pairs.")
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(64, 2048),
    default=512,
    show_default=True,
    help="Side of the square images, pixels.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the scenes.",
)
@click.option(
    "--preset",
    type=click.Choice(["stereolunar", "realistic", "mix"]),
    default="stereolunar",
    show_default=True,
    help="stereolunar: attached shadows, clean; realistic: cast shadows, albedo, noise.",
)
@click.option("--kind", type=click.Choice(["nadir", "oblique", "dynamic"]), help="All pairs so.")
@click.option(
    "--layout",
    type=click.Choice(["stereolunar", "rig"]),
    default="stereolunar",
    show_default=True,
    help="rig: left.png, right.png, rig.json and truth.npz, as lunar-infer takes them.",
)
@click.option(
    "--depth",
    type=click.Choice(["npz", "exr"]),
    default="npz",
    show_default=True,
    help="exr needs the [ground] extra.",
)
@click.option("--image", type=click.Choice(["png", "jpg"]), default="png", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--overwrite", is_flag=True, help="Write into a folder that is not empty.")
def render(
    count: int,
    size_px: int,
    seed: int,
    out: Path,
    preset: str,
    kind: str | None,
    layout: str,
    depth: str,
    image: str,
    jobs: int,
    overwrite: bool,
) -> None:
    """Render stereo pairs with their depth and cameras.

    The same seed gives the same files, whatever --jobs is.
    """
    from rich.console import Console
    from rich.progress import track

    from lunar_calib.datasets.folders import write_folder

    scenes = write_folder(
        out,
        count,
        size_px,
        seed,
        preset=preset,
        kind=kind,
        layout="rig" if layout == "rig" else "stereolunar",
        depth="exr" if depth == "exr" else "npz",
        image="jpg" if image == "jpg" else "png",
        jobs=jobs,
        overwrite=overwrite,
    )
    console = Console(stderr=True)
    hidden = not console.is_terminal
    for scene in track(scenes, "rendering", count, console=console, disable=hidden):
        click.echo(scene)


for _each in set_cli.COMMANDS:
    command.add_command(_each)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
