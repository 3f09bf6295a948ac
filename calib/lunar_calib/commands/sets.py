"""`lunar-calib make`, `inspect` and `verify`: calibration sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource

T = TypeVar("T")

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.option("--out", type=_FOLDER, required=True, help="Folder of the set.")
@click.option(
    "--count",
    type=click.IntRange(2),
    help="Pairs to choose.  [default: all, at most 32]",
)
@click.option(
    "--rendered",
    "rendered_count",
    type=click.IntRange(0),
    help="Candidates to render.  [default: twice --count if no other source is given, else 0]",
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(64, 2048),
    default=512,
    show_default=True,
    help="Side of rendered images, pixels; the network's longer side.",
)
@click.option(
    "--images", type=_FOLDER, multiple=True, help="Folder of pairs, or CSV file left,right."
)
@click.option(
    "--pairing",
    type=click.Choice(["order", "sequence", "name"]),
    default="order",
    show_default=True,
    help="--images: order: left/ and right/ sorted, or left, right, left, …; sequence: each with "
    "the next; name: names differ in left and right, or l and r.",
)
@click.option(
    "--stereolunar", type=_FOLDER, multiple=True, help="Folder of im_N frames, paired by pose."
)
@click.option(
    "--apollo", type=_FOLDER, multiple=True, help="Folder of film frames, each with the next."
)
@click.option("--licence", help="Of all images that are not rendered, in words.")
@click.option(
    "--augment",
    "augmented",
    type=click.IntRange(0, 15),
    default=0,
    show_default=True,
    help="Swapped, mirrored, turned copies of each candidate.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--overwrite", is_flag=True, help="Replace the set that is there.")
@click.pass_context
def make(
    context: click.Context,
    out: Path,
    count: int | None,
    rendered_count: int | None,
    size_px: int,
    images: tuple[Path, ...],
    pairing: str,
    stereolunar: tuple[Path, ...],
    apollo: tuple[Path, ...],
    licence: str | None,
    augmented: int,
    seed: int,
    jobs: int,
    overwrite: bool,
) -> None:
    """Make a calibration set for INT8: choose the pairs that cover most.

    Without a source it renders terrain; sources can be mixed. Images that cannot be used are
    listed, and there is no set.
    """
    from lunar_runtime.errors import UsageError
    from lunar_runtime.files.atomic_folder import check_folder

    from lunar_calib.sets import calibration_sources as sources
    from lunar_calib.sets.make_set import CANDIDATES_PER_PAIR, DEFAULT_COUNT, OWNED, make_set
    from lunar_calib.sets.posed_pairs import stereolunar as posed
    from lunar_calib.sets.rendered_source import rendered
    from lunar_calib.sets.set_report import describe

    files = bool(images or stereolunar or apollo)
    if rendered_count is None:
        rendered_count = 0 if files else CANDIDATES_PER_PAIR * (count or DEFAULT_COUNT)
    if licence and not files:
        raise UsageError("--licence is of images; give --images, --stereolunar or --apollo")
    for option, needed, there in (
        ("pairing", "--images", bool(images)),
        ("size_px", "--rendered", rendered_count > 0),
        ("jobs", "--rendered", rendered_count > 0),
    ):
        if not there and context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            name = option.replace("_px", "")
            raise UsageError(f"--{name} says nothing without {needed}; give both or neither")
    check_folder(out, overwrite=overwrite, owned=OWNED)
    mode: sources.Pairing = (
        "name" if pairing == "name" else "sequence" if pairing == "sequence" else "order"
    )
    given = [
        *(sources.images(path, mode, licence) for path in images),
        *(posed(path, licence) for path in stereolunar),
        *(sources.apollo(path, licence) for path in apollo),
    ]
    if rendered_count:
        given.append(rendered(rendered_count, size_px, seed, jobs))
    made = make_set(
        out,
        given,
        count=count,
        augmented=augmented,
        seed=seed,
        overwrite=overwrite,
        track=_track,
    )
    click.echo(f"set      {out}\n{describe(made)}")


@click.command()
@click.argument("path", type=_FOLDER)
@click.option("--json", "machine", is_flag=True, help="For machines.")
def inspect(path: Path, machine: bool) -> None:
    """Say what is in a calibration set, once its files are verified."""
    from lunar_calib.sets.calibration_set import CalibrationSet
    from lunar_calib.sets.set_report import as_json, describe

    opened = CalibrationSet.open(path)
    click.echo(as_json(opened) if machine else f"set      {path}\n{describe(opened)}")


@click.command()
@click.argument("path", type=_FOLDER)
def verify(path: Path) -> None:
    """Recompute all that a calibration set says of itself; exit 3 if anything differs."""
    from lunar_runtime.errors import InputError

    from lunar_calib.sets.calibration_set import read_manifest
    from lunar_calib.sets.verify_set import verify_set

    differences = verify_set(path, _track)
    if differences:
        raise InputError(f"{len(differences)} differences: {' | '.join(differences)}")
    manifest = read_manifest(path)
    click.echo(
        f"{path}: {len(manifest.pairs)} pairs, {len(manifest.files)} files, digests, statistics "
        f"and coverage are right\n{manifest.digest}"
    )


def _track(items: Iterable[T], what: str, count: int) -> Iterable[T]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, what, count, console=console, disable=not console.is_terminal)


COMMANDS: tuple[click.Command, ...] = (make, inspect, verify)
"""For the group in `cli`."""
