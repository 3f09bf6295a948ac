"""`lunar-calib make`."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource
from lunar_runtime.commands.options import PATH, json_output, overwrite, verbose

from lunar_calib.choices import MOST_AUGMENTED, PAIRINGS, Pairing
from lunar_calib.commands.options import jobs, out, seed, size


@click.command()
@out("Folder of the set.", PATH)
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
@size("Side of rendered images, pixels; the network's longer side.", 512)
@click.option("--images", type=PATH, multiple=True, help="Folder of pairs, or CSV file left,right.")
@click.option(
    "--pairing",
    type=click.Choice(PAIRINGS),
    default="order",
    show_default=True,
    help="--images: order: left/ and right/ sorted, or left, right, left, …; sequence: each with "
    "the next; name: names differ in left and right, or l and r.",
)
@click.option(
    "--stereolunar", type=PATH, multiple=True, help="Folder of im_N frames, paired by pose."
)
@click.option(
    "--apollo", type=PATH, multiple=True, help="Folder of film frames, each with the next."
)
@click.option("--licence", help="Of all images that are not rendered, in words.")
@click.option(
    "--augment",
    "augmented",
    type=click.IntRange(0, MOST_AUGMENTED),
    default=0,
    show_default=True,
    help="Swapped, mirrored, turned copies of each candidate.",
)
@seed
@jobs
@overwrite("the set that is there")
@json_output("the set's manifest")
@verbose
@click.pass_context
def make(
    context: click.Context,
    out: Path,
    count: int | None,
    rendered_count: int | None,
    size_px: int,
    images: tuple[Path, ...],
    pairing: Pairing,
    stereolunar: tuple[Path, ...],
    apollo: tuple[Path, ...],
    licence: str | None,
    augmented: int,
    seed: int,
    jobs: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a calibration set for INT8: choose the pairs that cover most.

    Without a source it renders terrain; sources can be mixed. Images that cannot be used are
    listed, and there is no set.
    """
    from lunar_runtime.errors import UsageError
    from lunar_runtime.files.atomic_folder import check_folder

    from lunar_calib.commands.progress import track
    from lunar_calib.sets import image_sources as sources
    from lunar_calib.sets.make_set import CANDIDATES_PER_PAIR, DEFAULT_COUNT, OWNED, make_set
    from lunar_calib.sets.posed_pairs import stereolunar as posed
    from lunar_calib.sets.rendered_source import rendered
    from lunar_calib.sets.set_report import describe, to_json

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
    given = [
        *(sources.images(path, pairing, licence) for path in images),
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
        track=track,
    )
    click.echo(to_json(made) if as_json else describe(made))
