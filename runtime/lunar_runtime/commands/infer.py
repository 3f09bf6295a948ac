"""`lunar-infer`: stereo pair to depth and slope."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lunar_runtime.commands.command_line import fail, run_command
from lunar_runtime.version import __version__

if TYPE_CHECKING:
    from lunar_runtime.files.pair_lists import Pair
    from lunar_runtime.geometry.rig import Rig
    from lunar_runtime.inference.pipeline import StereoRuntime
    from lunar_runtime.report.records import Report

NAME = "lunar-infer"
_FAILED = 3


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("left", type=click.Path(path_type=Path))
@click.argument("right", type=click.Path(path_type=Path), required=False)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder made by lunar-export.  [default: the one in the package]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results; of many pairs, the folder of their folders.  "
    "[default: <LEFT's name>_depth, in the current folder]",
)
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option(
    "--view",
    type=click.Choice(["left", "right", "both"]),
    default="left",
    show_default=True,
    help="Camera whose depth and slope are wanted.",
)
@click.option(
    "--intrinsics",
    metavar="FX,FY,CX,CY",
    help="Of both cameras, in pixels of the files as given; the top-left pixel's centre is "
    "(0.5, 0.5).  [default: the rig's, else estimated]",
)
@click.option("--rig", type=click.Path(path_type=Path), help="What is known of the cameras (JSON).")
@click.option("--baseline-m", type=float, help="True distance of the cameras; makes depth metres.")
@click.option(
    "--altitude-m",
    type=float,
    help="True height of the left camera above the scene's plane; makes depth metres.",
)
@click.option(
    "--slope",
    type=click.Choice(["physical", "paper"]),
    default="physical",
    show_default=True,
    help="`paper` is the published evaluation's definition, for comparison only.",
)
@click.option(
    "--smoothing-px",
    type=float,
    default=2.0,
    show_default=True,
    help="Gaussian over the pointmap before slopes are taken.",
)
@click.option("--min-confidence", type=float, help="Pixels below become invalid (NaN).")
@click.option(
    "--refine",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Refine the network's pointmap with the images: where they allow it; or fail (exit 3) "
    "where they do not; or never.",
)
@click.option(
    "--geometry-only",
    is_flag=True,
    help="No network: the refinement alone, around a plane. Needs --intrinsics or a --rig.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "onnxruntime", "tensorrt", "tensorrt-rtx"]),
    default="auto",
    show_default=True,
    help="Inference library; `auto` is TensorRT where the bundle has an engine for this machine.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="`auto` is CUDA if the library was built for it, else the CPU.",
)
@click.option("--threads", type=int, help="CPU threads.  [default: one per core]")
@click.option("--json", "as_json", is_flag=True, help="Print each report as one line of JSON.")
@click.option("-v", "--verbose", count=True, help="Log to stderr; twice for more.")
@click.version_option(__version__, prog_name=NAME)
def command(
    left: Path,
    right: Path | None,
    bundle: Path | None,
    out: Path | None,
    overwrite: bool,
    intrinsics: str | None,
    rig: Path | None,
    geometry_only: bool,
    backend: str,
    device: str,
    threads: int | None,
    as_json: bool,
    verbose: int,
    **options: Any,
) -> int:
    """Depth and slope from a stereo pair of the Moon.

    LEFT and RIGHT are images (PNG, JPEG, TIFF or PGM; 8 or 16 bits, grey or colour). LEFT alone may
    be a folder, with subfolders left/ and right/ or with images that alternate left, right; or a
    CSV file with the columns left,right[,rig][,out].

    Without --rig, --baseline-m or --altitude-m, depth has no unit and the results say "relative".

    Exit codes: 0 done, 2 wrong usage, 3 unusable input or bundle, or some pair of many failed,
    4 backend or device missing.
    """
    if verbose:
        level = logging.DEBUG if verbose > 1 else logging.INFO
        logging.basicConfig(stream=sys.stderr, level=level, format="%(name)s: %(message)s")
    from lunar_runtime.bundles.manifest import gate_warning
    from lunar_runtime.files.pair_lists import Pair, is_batch, read_pairs
    from lunar_runtime.geometry.cameras import Intrinsics
    from lunar_runtime.geometry.rig import read_rig
    from lunar_runtime.inference.options import InferOptions
    from lunar_runtime.inference.pipeline import StereoRuntime
    from lunar_runtime.report.outputs import check_out

    options["intrinsics"] = None if intrinsics is None else Intrinsics.parse(intrinsics)
    InferOptions(**options).check("all")  # wrong usage is told before anything is read
    if geometry_only:
        _check_geometry_only(options["refine"], bundle, backend, device)
    shared_rig = None if rig is None else read_rig(rig)
    many = is_batch(left) and right is None
    if many:
        pairs = read_pairs(left)
        folder = out or Path(f"{left.resolve().stem}_depth")
    else:
        if right is None:
            raise click.UsageError(
                "Missing argument 'RIGHT'; only a folder or a .csv file comes alone."
            )
        if is_batch(right):
            raise click.UsageError("RIGHT must be an image, not a folder or a .csv file.")
        folder = out or Path(f"{left.stem}_depth")
        pairs = [Pair(left, right, None, Path())]
        check_out(folder, overwrite=overwrite)
    if threads is not None and threads > 0:
        import cv2

        cv2.setNumThreads(threads)  # the refinement's; the network's are its session's
    with (
        nullcontext()
        if geometry_only
        else StereoRuntime.load(bundle, backend, device=device, threads=threads) as runtime
    ):
        if runtime is not None:
            InferOptions(**options).check(runtime.model.output_set)
            failed = gate_warning(runtime.bundle.manifest)
            if failed:
                fail(NAME, f"warning: {runtime.bundle.path}: {failed}")
        job = _Job(runtime, shared_rig, options, folder, overwrite)
        if not many:
            _show(job.run(pairs[0]), as_json)
            return 0
        return _run_many(job, pairs, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _check_geometry_only(refine: str, bundle: Path | None, backend: str, device: str) -> None:
    if refine == "off":
        raise click.UsageError("--geometry-only is the refinement alone; leave out --refine off.")
    if bundle is not None or backend != "auto" or device != "auto":
        raise click.UsageError(
            "--geometry-only runs no network; leave out --bundle, --backend and --device."
        )


class _Job:
    """Everything that is the same for all pairs of a call."""

    def __init__(
        self,
        runtime: StereoRuntime | None,
        rig: Rig | None,
        options: dict[str, Any],
        folder: Path,
        overwrite: bool,
    ) -> None:
        self.runtime = runtime
        self.rig = rig
        self.options = options
        self.folder = folder
        self.overwrite = overwrite

    def run(self, pair: Pair) -> Report:
        from lunar_runtime.geometry.rig import read_rig
        from lunar_runtime.report.outputs import check_out, write_result

        folder = self.folder / pair.out
        check_out(folder, overwrite=self.overwrite)
        rig = self.rig if pair.rig is None else read_rig(pair.rig)
        if self.runtime is None:
            from lunar_runtime.inference.pipeline import infer_geometry_only

            options = {name: value for name, value in self.options.items() if name != "refine"}
            result = infer_geometry_only(pair.left, pair.right, rig, **options)
        else:
            result = self.runtime.infer(pair.left, pair.right, rig, **self.options)
        return write_result(result, folder, overwrite=self.overwrite)


def _run_many(job: _Job, pairs: list[Pair], as_json: bool) -> int:
    from lunar_runtime.errors import InputError, OutputError
    from lunar_runtime.report.report import printable

    failed = 0
    with _progress() as progress:
        for pair in progress.track(pairs) if progress else pairs:
            try:
                report = job.run(pair)
            except (InputError, OutputError) as error:  # of this pair; the next may be good
                failed += 1
                fail(NAME, f"{pair.left}: {error}")
                if as_json:
                    _show_failure(pair, error)
            else:
                if as_json:
                    _show(report, as_json)
                else:
                    click.echo(_line(report))
    if not as_json:
        done = len(pairs) - failed
        click.echo(f"{done} of {len(pairs)} pairs done, in {printable(job.folder)}")
    if failed:
        fail(NAME, f"{failed} of {len(pairs)} pairs failed")
    return _FAILED if failed else 0


def _progress() -> Any:
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.progress import Progress

    # With stdout in a file, rich must not carry it over to the terminal's stderr.
    return Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    )


def _show_failure(pair: Pair, error: Exception) -> None:
    import msgspec

    from lunar_runtime.report.report import printable

    failure = {
        "status": "failed",
        "left": {"path": printable(pair.left)},
        "right": {"path": printable(pair.right)},
        "error": printable(error),
    }
    click.echo(msgspec.json.encode(failure).decode())


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        from lunar_runtime.report.report import encode_report

        click.echo(encode_report(report).decode())
        return
    view = report.views[0]
    camera = report.camera_right if view.view == "right" else report.camera_left
    width, height = report.mapping.grid_width, report.mapping.grid_height
    rows = [
        ("unit", _unit(report)),
        ("depth", _depth(report)),
        ("slope", _slope(report)),
        ("valid", f"{view.valid_fraction:.1%} of {width} x {height} px"),
        ("camera", f"focal length {camera.image_px[0]:.1f} px ({camera.source})"),
        *_refined_rows(report),
        ("time", f"{sum(report.timings_ms.values()):.0f} ms{_where(report)}"),
        ("files", f"{report.out}: {', '.join([*report.files, 'report.json'])}"),
        *(("note", warning) for warning in report.warnings),
    ]
    for name, text in rows:
        click.echo(f"{name:<7}{text}")


def _where(report: Report) -> str:
    return "" if report.model is None else f" on {report.model.device}"


def _refined_rows(report: Report) -> list[tuple[str, str]]:
    refinement, view = report.refinement, report.views[0]
    if refinement is None or refinement.status == "kept":
        return []  # why it was kept is among the notes
    share = refinement.views[view.view]["fraction"]
    unit = " m" if report.scale.unit == "m" else " (relative)"
    expected = f"expected error: depth {view.depth_sigma['p50']:.3g}{unit}"
    if view.slope_sigma_deg:
        expected += f", slope {view.slope_sigma_deg['p50']:.1f} deg"
    return [
        (
            "images",
            f"{share:.0%} by the images; epipolar residual {refinement.epipolar_px:.3f} px, "
            f"parallax {refinement.parallax_deg:.1f} deg",
        ),
        ("", f"{expected} (medians)"),
    ]


def _line(report: Report) -> str:
    return f"{report.out}: depth {_depth(report)}; slope {_slope(report)}"


def _unit(report: Report) -> str:
    if report.scale.unit == "m":
        return f"m (scale from the {report.scale.source})"
    return "relative (for metres, give --baseline-m, --altitude-m or a --rig with the pose)"


def _depth(report: Report) -> str:
    depth = report.views[0].depth
    unit = "m" if report.scale.unit == "m" else "(relative)"
    return f"{depth['p5']:.6g} to {depth['p95']:.6g} {unit}, median {depth['p50']:.6g}"


def _slope(report: Report) -> str:
    view = report.views[0]
    if not view.slope_deg:
        return "none"
    steep = view.steeper_than["15"]
    source = "the paper's" if report.options.slope == "paper" else f"up: {report.up.source}"
    return f"median {view.slope_deg['p50']:.1f} deg, {steep:.0%} over 15 deg ({source})"
