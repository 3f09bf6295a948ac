"""`lunar-calib descent`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import overwrite, verbose

from lunar_calib.choices import DescentPath, Preset
from lunar_calib.commands.options import jobs, out, preset, seed, size


@click.command()
@click.option(
    "--path",
    type=click.Choice([each.value for each in DescentPath]),
    default=DescentPath.APPROACH.value,
    show_default=True,
    help="approach: from 10 km to 50 m, looking ahead and then down; terminal: from 500 m to 20 m.",
)
@click.option(
    "--frames",
    type=click.IntRange(2),
    default=200,
    show_default=True,
    help="At equal times, 99 s of approach, 59 s of terminal descent.",
)
@size("Side of the square frames, pixels; a multiple of 8.", 256)
@seed
@out("Folder of the descent.")
@preset(Preset.REALISTIC)
@click.option(
    "--velocity-noise",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Of the poses: standard deviation of the way between two frames, along each axis, as a "
    "share of its length.",
)
@click.option(
    "--attitude-noise-deg",
    type=click.FloatRange(0, 10),
    default=0.02,
    show_default=True,
    help="Of the poses: standard deviation of the attitude about each axis.",
)
@click.option(
    "--altimeter-noise",
    type=click.FloatRange(0, 1),
    default=0.005,
    show_default=True,
    help="Standard deviation of the altitude, as a share of it.",
)
@click.option("--video", is_flag=True, help="Also as video.mkv: FFV1, 8-bit grey, lossless.")
@jobs
@overwrite("the descent that is there")
@verbose
def descent(
    path: str,
    frames: int,
    size_px: int,
    seed: int,
    out: Path,
    preset: str,
    velocity_noise: float,
    attitude_noise_deg: float,
    altimeter_noise: float,
    video: bool,
    jobs: int,
    overwrite: bool,
) -> None:
    """Render a descent: frames, true depths, poses as an inertial unit has them, altitudes.

    The same seed gives the same files, whatever --jobs is.
    """
    from lunar_runtime.errors import UsageError

    from lunar_calib.commands.progress import track
    from lunar_calib.datasets.descent_folders import write_descent_folder
    from lunar_calib.specs.descent_spec import NavigationSpec, sample_descent

    if size_px % 8:
        raise UsageError("--size must be a multiple of 8 for a descent")
    navigation = NavigationSpec(velocity_noise, attitude_noise_deg, altitude=altimeter_noise)
    spec = sample_descent(seed, size_px, frames, path, preset, navigation)
    written = write_descent_folder(spec, out, video=video, jobs=jobs, overwrite=overwrite)
    for _ in track(written, "rendering", frames):
        pass
    echo(out)
