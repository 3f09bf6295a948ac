"""`lunar-bag`: recordings of ROS 2 to pairs and descents, and results to recordings."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from lunar_runtime.commands.command_line import echo, fail, run_command, with_flags
from lunar_runtime.commands.options import CONTEXT, PATH, overwrite, verbose, version
from lunar_runtime.errors import UsageError

if TYPE_CHECKING:
    from lunar_ground.bags.extract import Extracted

NAME = "lunar-bag"
_Function = TypeVar("_Function", bound=Callable[..., Any])

_out = click.option("--out", type=PATH, required=True, help="Folder to write.")
_recover = click.option(
    "--recover", is_flag=True, help="Of a cut or damaged recording: take what is whole, and say so."
)
_rectified = click.option(
    "--rectified",
    is_flag=True,
    help="The images are rectified: their camera is that of `p`, without distortion.",
)
_every = click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Take one of so many."
)


def _posed(command: _Function) -> _Function:
    for option in (
        click.option(
            "--pose-errors",
            metavar="DEG,SHARE",
            callback=lambda _, __, text: _two_numbers(text),
            help="Standard deviations between two frames: of the turn about each axis, and of the "
            "way along each, as a share of it. Without them the poses are not used.",
        ),
        click.option(
            "--pose-of",
            metavar="FRAME",
            help="Whose poses they are.  [default: as an odometry says, else the camera's]",
        ),
        click.option(
            "--altitude", metavar="TOPIC", help="Heights above ground: Range or Float64, metres."
        ),
        click.option(
            "--pose",
            metavar="TOPIC",
            help="PoseStamped, PoseWithCovarianceStamped, Odometry or TransformStamped, metres.",
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings=CONTEXT)
@version(NAME)
def command() -> None:
    """MCAP files and bags of ROS 2: read for lunar-infer, and written from its results.

    BAG is an .mcap file, a .db3 file or a bag's folder. Checksums are checked.

    Exit codes: 0 done, 2 wrong usage, 3 unusable input (a cut or damaged recording without
    --recover too), 4 the extra `bags` is missing.
    """


@command.command()
@click.argument("bag", metavar="BAG", type=PATH)
@_recover
@verbose
def info(bag: Path, recover: bool) -> None:
    """List topics, and read all of BAG to see whether it is whole."""
    from lunar_ground.bags.bag import Bag

    opened = Bag(bag, recover=recover)
    topics = opened.topics()
    for name, (topic, count) in sorted(topics.items()):
        echo(f"{count:8d}  {topic.kind or 'no type'}  {name}")
    damage = opened.damage
    for lost in damage.lost:
        fail(NAME, f"recovered; {lost}")
    unchecked = ", ".join(sorted(damage.unchecked))
    right = "checksums of what was read right" if damage.lost else "checksums right"
    whole = f"no checksums in {unchecked}" if unchecked else right
    echo(f"{sum(count for _, count in topics.values())} messages; {whole}")


@command.command()
@click.argument("bag", metavar="BAG", type=PATH)
@click.option("--image", metavar="TOPIC", required=True, help="Image or CompressedImage.")
@click.option("--info", metavar="TOPIC", help="CameraInfo.  [default: camera_info beside]")
@_posed
@click.option(
    "--altitude-error",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Standard deviation of the altitudes, as a share.",
)
@_rectified
@_every
@_recover
@_out
@overwrite("the descent that is there")
@verbose
def frames(
    bag: Path,
    image: str,
    info: str | None,
    pose: str | None,
    altitude: str | None,
    pose_of: str | None,
    pose_errors: tuple[float, float] | None,
    altitude_error: float,
    rectified: bool,
    every: int,
    recover: bool,
    out: Path,
    overwrite: bool,
) -> None:
    """Write the frames of one camera, with poses and altitudes, as a descent.

    `lunar-infer --stream` reads it.
    """
    from lunar_ground.bags.bag import Bag
    from lunar_ground.bags.extract import extract_descent
    from lunar_ground.bags.frames import Named

    done = extract_descent(
        Bag(bag, recover=recover),
        Named(image, info, pose, altitude, pose_of, rectified),
        out,
        every=every,
        pose_errors=pose_errors,
        altitude_error=altitude_error,
        overwrite=overwrite,
    )
    _tell(done, out, f"frames, {done.posed} with a pose, {done.with_altitude} with an altitude")


@command.command()
@click.argument("bag", metavar="BAG", type=PATH)
@click.option("--left", metavar="TOPIC", required=True, help="Images of the left camera.")
@click.option("--right", metavar="TOPIC", required=True, help="Images of the right camera.")
@click.option("--left-info", metavar="TOPIC", help="CameraInfo.  [default: camera_info beside]")
@click.option("--right-info", metavar="TOPIC", help="CameraInfo.  [default: camera_info beside]")
@click.option(
    "--within-ms",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Images of a pair are at most so far apart.",
)
@_rectified
@_every
@_recover
@_out
@overwrite("the pairs that are there")
@verbose
def pairs(
    bag: Path,
    left: str,
    right: str,
    left_info: str | None,
    right_info: str | None,
    within_ms: float,
    rectified: bool,
    every: int,
    recover: bool,
    out: Path,
    overwrite: bool,
) -> None:
    """Write the images of two cameras as pairs, with their rig.

    `lunar-infer OUT/pairs.csv` takes them.
    """
    from lunar_ground.bags.bag import Bag
    from lunar_ground.bags.extract import extract_pairs
    from lunar_ground.bags.frames import Named

    done = extract_pairs(
        Bag(bag, recover=recover),
        Named(left, left_info, rectified=rectified),
        Named(right, right_info, rectified=rectified),
        out,
        within_s=within_ms / 1e3,
        every=every,
        overwrite=overwrite,
    )
    _tell(done, out, f"pairs, {done.alone} images without one of the other camera")


@command.command()
@click.argument("source", metavar="RESULT...|DESCENT", type=PATH, nargs=-1, required=True)
@_out
@overwrite("the bag that is there")
@verbose
def write(source: tuple[Path, ...], out: Path, overwrite: bool) -> None:
    """Write folders of lunar-infer's results, or a descent, as a bag of ROS 2 (MCAP)."""
    from lunar_runtime.files.descent_file import NAME as DESCENT

    from lunar_ground.bags.results import write_descent_bag, write_results

    if len(source) == 1 and (source[0] / DESCENT).exists():
        bag = write_descent_bag(source[0], out, overwrite=overwrite)
    else:
        bag = write_results(source, out, overwrite=overwrite)
    for (topic, kind), count in bag.counts.items():
        echo(f"{count:8d}  {kind}  {topic}")
    echo(f"{len(bag.times_ns)} messages, in {out}")


def _tell(done: Extracted, out: Path, what: str) -> None:
    for note in done.notes:
        fail(NAME, f"note: {with_flags(note, click.get_current_context().command)}")
    echo(f"{done.written} {what}, over {done.seconds:.3f} s, in {out}")


def _two_numbers(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    number = r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE]-?[0-9]+)?)\s*"
    match = re.fullmatch(f"{number},{number}", text)
    if match is None:
        raise UsageError(f"`pose_errors` {text}: write two numbers, as in 0.02,0.01")
    return float(match[1]), float(match[2])


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)
