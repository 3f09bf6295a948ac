"""`lunar-infer`: stereo pair to depth and slope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lunar_runtime.commands import archive, flight, options, stream_options, values
from lunar_runtime.commands.command_line import fail, run_command
from lunar_runtime.commands.memory_limits import INFER, check_memory, one_blas_thread
from lunar_runtime.commands.program import run_program
from lunar_runtime.inference.options import (
    LEAST_LONGEST_PX,
    MOST_LONGEST_PX,
    REFINES,
    SLOPES,
    VIEWS,
    InferOptions,
)

if TYPE_CHECKING:
    from lunar_runtime.backends.protocol import Backend
    from lunar_runtime.bundles.bundle import Bundle
    from lunar_runtime.inference.self_test import SelfTest

NAME = "lunar-infer"
# Half a side of the largest result: a wider Gaussian leaves nothing of it.
_MOST_SMOOTHING_PX = 512
_MOST_AT_ONCE = 2  # pairs of a batch, each with its memory


@click.command(context_settings=options.CONTEXT)
@click.argument("left", type=options.PATH)
@click.argument("right", type=options.PATH, required=False)
@click.option(
    "--bundle",
    type=options.PATH,
    help="Folder made by lunar-export.  [default: the one in the package]",
)
@click.option(
    "--out",
    type=options.PATH,
    help="Folder for the results; of many pairs, the folder of their folders.  "
    "[default: <LEFT's name>_depth, in the current folder]",
)
@options.overwrite("results that are there already")
@click.option(
    "--view",
    type=click.Choice(VIEWS),
    default=InferOptions.view,
    show_default=True,
    help="Camera whose depth and slope are wanted.",
)
@click.option(
    "--intrinsics",
    callback=values.intrinsics,
    metavar="FX,FY,CX,CY",
    help="Of both cameras, in pixels of the files as given; the top-left pixel's centre is "
    "(0.5, 0.5).  [default: the rig's, else found from the pair or nominal]",
)
@click.option(
    "--window",
    callback=values.windows,
    metavar="X,Y,W,H[,X,Y,W,H]",
    help="Part of both images to take for the whole, in pixels of the files as given; of eight "
    "numbers the first four are LEFT's, the others RIGHT's. Intrinsics and rig stay as they are.",
)
@click.option("--rig", type=options.PATH, help="What is known of the cameras (JSON).")
@click.option(
    "--mask",
    "masks",
    callback=values.masks,
    metavar="LEFT,RIGHT",
    help="Images of the same sizes, not 0 where LEFT and RIGHT may be used; one may be empty, as "
    "in `left.png,`. Of many pairs: the CSV file's columns left_mask and right_mask.",
)
@click.option("--baseline-m", type=float, help="True distance of the cameras; makes depth metres.")
@click.option(
    "--altitude-m",
    type=float,
    help="True height of the left camera above the scene's plane; makes depth metres.",
)
@click.option(
    "--slope",
    type=click.Choice(SLOPES),
    default=InferOptions.slope,
    show_default=True,
    help="`paper` is the published evaluation's definition, for comparison only.",
)
@click.option(
    "--smoothing-px",
    type=click.FloatRange(max=_MOST_SMOOTHING_PX),
    default=InferOptions.smoothing_px,
    show_default=True,
    help="Gaussian over the pointmap before slopes are taken.",
)
@click.option(
    "--min-confidence",
    metavar="PERCENT",
    help="As 25%: so many of the pixels, those with the largest expected error, become NaN.",
)
@click.option(
    "--refine",
    type=click.Choice(REFINES),
    default=InferOptions.refine,
    show_default=True,
    help="Refine the network's pointmap with the images: where they allow it; or fail (exit 3) "
    "where they do not; or never.",
)
@click.option(
    "--longest-px",
    type=click.IntRange(LEAST_LONGEST_PX, MOST_LONGEST_PX),
    default=InferOptions.longest_px,
    show_default=True,
    help="Of the result's longer side, where the images have more; time and memory go with its "
    "square.",
)
@click.option(
    "--geometry-only",
    is_flag=True,
    help="No network: the refinement alone, around a plane. Needs --intrinsics or a --rig.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Fail (exit 3) where the result is guessed: where the images did not decide, the focal "
    "length is not known, or what was told does not agree.",
)
@click.option(
    "--other-suns",
    type=options.PATH,
    help="Images of LEFT's ground under other suns and where they were taken (JSON): adds slopes.",
)
@click.option(
    "--lander",
    type=options.PATH,
    help="A vehicle (JSON): adds where it may stand, hazard.tif, safe_probability.tif and "
    "sites.json. Needs metres.",
)
@click.option(
    "--aim",
    callback=values.aim,
    metavar="X,Y",
    help="Pixel of LEFT as given at which the vehicle aims: sites then tell the divert.",
)
@stream_options.options
@flight.options
@archive.options
@options.trust
@options.backend
@options.device
@options.threads
@options.json_output("each report, one a line,")
@options.verbose
@options.version(NAME)
def command(
    left: Path,
    right: Path | None,
    bundle: Path | None,
    out: Path | None,
    overwrite: bool,
    rig: Path | None,
    masks: tuple[Path | None, Path | None],
    geometry_only: bool,
    strict: bool,
    self_test: SelfTest,
    self_test_every: int,
    deadline_ms: float | None,
    health: str | None,
    sequence: bool,
    altimeter_m: float | None,
    watchdog: bool,
    scheduler: str | None,
    resume: bool,
    retries: int,
    failures: Path | None,
    other_suns: Path | None,
    lander: Path | None,
    aim: tuple[float, float] | None,
    stream: bool,
    rate_hz: float | None,
    live: bool,
    trust: Path | None,
    require_signature: bool | None,
    backend: str,
    device: str,
    threads: int | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Depth and slope from a stereo pair of the Moon.

    LEFT and RIGHT are images (PNG, JPEG, TIFF or PGM; 8 or 16 bits, grey or colour; ISIS cubes,
    PDS3 and PDS4 images or their labels, FILE+3 for the third band). LEFT alone may
    be a folder, with subfolders left/ and right/ or with images whose names tell which are pairs
    (left_000 with right_000; or im_0 with im_1, im_2 with im_3); or a CSV file with the columns
    left,right[,rig][,left_mask][,right_mask][,out].
    With --scheduler the pairs are spread over processes and machines. With --stream LEFT is one
    camera's frames.

    Without --rig, --baseline-m or --altitude-m, depth has no unit and the results say "relative".

    Exit codes: 0 done, 2 wrong usage, 3 unusable input or bundle, or some pair of many failed,
    4 backend or device missing, 5 the self-test failed, 7 nothing could be answered within
    --deadline-ms.
    """
    one_blas_thread()
    check_memory(INFER)
    from lunar_runtime.backends.cores import usable_cores
    from lunar_runtime.files.held_memory import share_one_heap

    share_one_heap()

    wanted = InferOptions(**asked)
    wanted.check("all")  # wrong usage is told before anything is read
    stream_options.check(click.get_current_context().params, stream=stream)
    vehicle = flight.vehicle(lander, aim, wanted)
    if geometry_only:
        _check_geometry_only(wanted, bundle, backend, device, deadline_ms)
    if scheduler is not None:
        archive.check_alone(click.get_current_context())
    # In the background the bundle is verified, and its network loads, while Python imports.
    opening = None
    if not geometry_only:
        from concurrent.futures import ThreadPoolExecutor

        open_it = partial(_open, bundle, trust, require_signature)
        load = partial(_start_loading, backend, device, threads, watchdog=watchdog)
        opener = ThreadPoolExecutor(1, "open")
        opening = opener.submit(_opened, open_it, load if scheduler is None else None)
        opener.shutdown(wait=False)

    import cv2

    from lunar_runtime.commands.pairs import Job, learn_costs, outcomes, prepare_writing, run_one
    from lunar_runtime.geometry.rig_file import read_rig
    from lunar_runtime.inference.other_suns import read_other_suns
    from lunar_runtime.inference.pipeline import StereoRuntime

    opened, network = (None, None) if opening is None else opening.result()
    shared_rig = None if rig is None else read_rig(rig)
    if other_suns is not None:
        wanted = replace(wanted, other_suns=read_other_suns(other_suns))
        wanted.check("all")
    tests = self_test, self_test_every
    if stream:
        from lunar_runtime.commands.stream import open_stream, run_stream

        assert network is not None  # --geometry-only and --scheduler are not of a stream
        frames = open_stream(
            left, rate_hz, wanted, shared_rig, masks[0], out, overwrite, strict, live, vehicle,
            deadline_ms,
        )  # fmt: skip
        with StereoRuntime(*network, *tests) as loaded, flight.told(health, loaded) as teller:
            wanted.check(loaded.bundle.manifest.graph.output_set)
            _tell_doubts(loaded.bundle)
            return run_stream(frames, loaded, threads, health=teller, as_json=as_json, tool=NAME)
    pairs, folder, many = archive.find_pairs(
        left, right, out, overwrite=overwrite, kept=resume, masks=masks
    )
    job = Job(None, wanted, shared_rig, folder, overwrite, strict, 1, vehicle, aim, resume=resume)
    if scheduler is not None:
        from lunar_runtime.commands.many_pairs import tell_many
        from lunar_runtime.commands.orders import NetworkWanted, Order

        asked_of = None
        if opened is not None:
            wanted.check(opened.manifest.graph.output_set)
            asked_of = NetworkWanted(
                bundle and opened.path.absolute(), opened.digest, trust, require_signature,
                backend, device, *tests,
            )  # fmt: skip
            _tell_doubts(opened)
        order = Order(job, asked_of, threads or 1, retries)
        ending = archive.spread(scheduler, order, pairs)
        return tell_many(ending, pairs, folder, as_json=as_json, failures=failures, tool=NAME)
    if threads is not None:
        cv2.setNumThreads(threads)  # the refinement's; the network's are its session's
    opened_runtime: AbstractContextManager[StereoRuntime | None] = nullcontext()
    if network is not None:
        opened_runtime = StereoRuntime(*network, *tests, meanwhile=prepare_writing)
    with opened_runtime as runtime, flight.told(health, runtime) as teller:
        if runtime is not None:
            wanted.check(runtime.bundle.manifest.graph.output_set)
            _tell_doubts(runtime.bundle)
        at_once = min(_MOST_AT_ONCE, threads or usable_cores())
        if sequence or deadline_ms is not None:
            at_once = 1  # in their order; with a deadline none waits for another
        if runtime is not None and deadline_ms is not None:
            learn_costs(runtime, pairs[0], wanted)
        watching, altimeter = flight.watched(sequence, altimeter_m)
        job = replace(
            job, runtime=runtime, at_once=at_once, deadline_ms=deadline_ms, health=teller,
            sequence=watching, altimeter=altimeter,
        )  # fmt: skip
        if many:
            from lunar_runtime.commands.many_pairs import tell_many

            ending = outcomes(job, pairs)
            return tell_many(ending, pairs, folder, as_json=as_json, failures=failures, tool=NAME)
        run_one(job, pairs[0], as_json=as_json)
        return 0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and raise SystemExit."""
    run_command(command, NAME, arguments)


def program() -> NoReturn:
    """Entry point of the console script: `main`, and the end of the process."""
    run_program(main)


def _open(path: Path | None, trust: Path | None, require_signature: bool | None) -> Bundle:
    from lunar_runtime.bundles.bundle import Bundle, default_bundle_path

    path = default_bundle_path() if path is None else path
    return Bundle.open(path, trust=trust, require_signature=require_signature, keep_model=True)


def _opened(
    open_it: Callable[[], Bundle], load: Callable[[Bundle], Backend] | None
) -> tuple[Bundle, tuple[Bundle, Backend] | None]:
    """The verified bundle; and, if it is wanted here, with its network, which is still loading."""
    opened = open_it()
    if load is None:
        return opened, None
    check_memory(INFER.of(opened.manifest))
    return opened, (opened, load(opened))


def _tell_doubts(bundle: Bundle) -> None:
    for doubt in bundle.doubts:
        fail(NAME, f"warning: {bundle.path}: {doubt}")


def _start_loading(
    backend: str, device: str, threads: int | None, bundle: Bundle, *, watchdog: bool
) -> Backend:
    from lunar_runtime.backends.features import KEEP_VIEWS
    from lunar_runtime.backends.loading import LoadingBackend
    from lunar_runtime.backends.watched import WatchedBackend

    load = WatchedBackend if watchdog else LoadingBackend
    return load(bundle, backend, device, threads, keep_views=KEEP_VIEWS)


def _check_geometry_only(
    wanted: InferOptions, bundle: Path | None, backend: str, device: str, deadline_ms: float | None
) -> None:
    if wanted.refine == "off":
        raise click.UsageError("--geometry-only is the refinement alone; leave out --refine off.")
    if deadline_ms is not None:
        raise click.UsageError(
            "--geometry-only is one rung of the ladder; leave out --deadline-ms."
        )
    if bundle is not None or backend != "auto" or device != "auto":
        raise click.UsageError(
            "--geometry-only runs no network; leave out --bundle, --backend and --device."
        )
