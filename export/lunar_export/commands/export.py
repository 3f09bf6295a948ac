"""`lunar-export`: checkpoint to bundle."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.command_line import run_command
from lunar_runtime.errors import CheckpointError, GateError, UsageError
from lunar_runtime.version import __version__

if TYPE_CHECKING:
    from lunar_runtime.backends.tensorrt.store import StoredEngine
    from lunar_runtime.bundles.bundle import Bundle
    from lunar_runtime.bundles.manifest import Manifest
    from lunar_student import Student

    from lunar_export.bundling.precision import MethodChoice
    from lunar_export.commands.progress import Progress
    from lunar_export.deploy.engine import EngineChoice
    from lunar_export.lowering.placement import Target
    from lunar_export.lowering.reduce import Precision

NAME = "lunar-export"
STUDENTS = ("S0", "S1", "S2", "S3", "S4", "teacher")


def _rows_columns(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int]:
    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise click.BadParameter(f"{value!r} is neither a number of pixels nor HxW.")
    return int(sides[0]), int(sides[-1])


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--ckpt",
    type=click.Path(path_type=Path),
    help="Weights: a state dict or training checkpoint (.pt, .pth), or safetensors.",
)
@click.option(
    "--untrained",
    type=click.Choice(STUDENTS),
    help="Instead of --ckpt: random weights, to measure speed and memory. The bundle says so.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of --untrained.")
@click.option(
    "--student",
    type=click.Choice(STUDENTS),
    help="Refuse a checkpoint of another student.  [default: whichever it is]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="Of weights and arithmetic. Below fp32, slopes are measured against the network's, and "
    "what changes them too much is refused.",
)
@click.option(
    "--target",
    type=click.Choice(["cpu", "tensorrt"]),
    default="cpu",
    show_default=True,
    help="What the lower precision is placed for: ONNX Runtime on a CPU, or TensorRT.",
)
@click.option(
    "--calib",
    type=click.Path(path_type=Path),
    help="Calibration set, made by lunar-calib.  [default: rendered pairs]",
)
@click.option(
    "--calib-method",
    type=click.Choice(["auto", "minmax", "percentile", "entropy", "mse"]),
    default="auto",
    show_default=True,
    help="How int8 clips activations; auto measures which way keeps slopes best.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Write the bundle as it is, also if it fails its gate; it says so. Nothing is judged of "
    "--untrained weights, which saves most of the time.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    help="Draw what each layer costs in slope, and which were given back (PNG).",
)
@click.option(
    "--outputs",
    type=click.Choice(["left", "both", "all"]),
    default="both",
    show_default=True,
    help="left: the left pointmap, for depth. both: the right one too, for pose and scale. "
    "all: descriptors too. What is not asked for is not in the file.",
)
@click.option(
    "--size",
    callback=_rows_columns,
    default="512",
    show_default=True,
    metavar="PX|HxW",
    help="Of the images: a side, or rows x columns; multiples of 16.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle to make.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "never", "require"]),
    default="auto",
    show_default=True,
    help="Also build an engine, as lunar-engine does; auto: if TensorRT and a GPU are here.",
)
@click.option(
    "--triton",
    type=click.Path(path_type=Path),
    help="Also add the model to this Triton model repository; the engine, if one was built.",
)
@click.option(
    "--triton-instances",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Copies of the network that Triton runs side by side.",
)
@click.option("--overwrite", is_flag=True, help="Replace the bundle that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest.")
@click.option("-v", "--verbose", count=True, help="Log to stderr; twice for more.")
@click.version_option(__version__, prog_name=NAME)
def command(
    ckpt: Path | None,
    untrained: str | None,
    seed: int,
    student: str | None,
    precision: Precision,
    target: Target,
    calib: Path | None,
    calib_method: MethodChoice,
    force: bool,
    plot: Path | None,
    outputs: str,
    size: tuple[int, int],
    out: Path,
    engine: EngineChoice,
    triton: Path | None,
    triton_instances: int,
    overwrite: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Make of a student's checkpoint a bundle for lunar-infer.

    The graph is compared with the PyTorch network on lunar image pairs; one that differs is not
    written. Nor is one of lower precision that changes slopes, misses hazards or is slower.

    Exit codes: 0 done, 2 wrong usage, 3 unusable checkpoint, calibration set or output folder, 5
    the graph differs from the network, or fails the gate of its precision.
    """
    if verbose:
        # Not the root logger's: torch and onnx would report every folded constant.
        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")
        for package in ("lunar_export", "lunar_runtime"):
            logging.getLogger(package).setLevel(logging.DEBUG if verbose > 1 else logging.INFO)
    if (ckpt is None) == (untrained is None):
        raise UsageError("give either --ckpt FILE or --untrained STUDENT")
    if untrained and student:
        raise UsageError("--student checks a checkpoint; --untrained already names the student")
    from lunar_runtime.bundles.bundle import check_bundle_folder

    check_bundle_folder(out, overwrite=overwrite)  # before seconds of importing torch
    from lunar_export.deploy.engine import build_for_export, library_for_engine

    library = library_for_engine(engine)
    from lunar_student import Outputs

    from lunar_export.bundling.bundling import ExportOptions, export_bundle
    from lunar_export.bundling.precision import PrecisionOptions
    from lunar_export.judging.gate import table

    reduction = PrecisionOptions(precision, target, calib, calib_method, force, plot)
    options = ExportOptions(Outputs(outputs), *size, reduction)
    options.check()
    judged: list[str] = []
    with _progress(verbose) as progress:
        progress.begin("loading the weights")
        network = _untrained(untrained, seed) if untrained else _load(ckpt, student)
        try:
            bundle = export_bundle(
                network,
                out,
                options,
                checkpoint=ckpt,
                overwrite=overwrite,
                progress=progress,
                on_gate=lambda gate: judged.extend(table(precision, gate)),
            )
        except GateError:
            _show_gate(judged, as_json)
            raise
    _show_gate(judged, as_json)
    built = build_for_export(bundle, library, engine, bars=not verbose) if library else None
    model = None
    if triton is not None:
        from lunar_export.deploy.triton import write_model

        model = write_model(
            bundle, triton, engine=built, instances=triton_instances, overwrite=overwrite
        )
    _show(bundle, built, model, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _load(ckpt: Path | None, expected: str | None) -> Student:
    from lunar_student import load_checkpoint

    assert ckpt is not None
    network = load_checkpoint(ckpt)
    if expected and network.config.id != expected:
        raise CheckpointError(
            f"{ckpt}: holds {network.config.id}, not {expected}; leave --student out to export it"
        )
    return network


def _untrained(student: str, seed: int) -> Student:
    import torch
    from lunar_student import build_student

    torch.manual_seed(seed)
    return build_student(student).eval()


@contextmanager
def _progress(verbose: int) -> Iterator[Progress]:
    from lunar_export.commands.progress import Logged, Silent

    if verbose or not sys.stderr.isatty():
        yield Logged() if verbose else Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    class Bars:
        def begin(self, stage: str, steps: int = 1) -> None:
            for task in bars.tasks:
                bars.update(task.id, completed=task.total)
                bars.stop_task(task.id)
            bars.add_task(stage, total=steps)

        def step(self) -> None:
            bars.advance(bars.tasks[-1].id)

    columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars()


def _show_gate(lines: Sequence[str], as_json: bool) -> None:
    for line in lines:
        if not as_json:
            click.echo(line)


def _show(bundle: Bundle, engine: StoredEngine | None, triton: Path | None, as_json: bool) -> None:
    from lunar_runtime.bundles.manifest_file import encode_manifest

    manifest = bundle.manifest
    if as_json:
        click.echo(encode_manifest(manifest).decode(), nl=False)
        return
    graph, parity = manifest.graph, manifest.parity
    size = sum(record.bytes for record in manifest.files.values())
    worst = max(parity.outputs.values(), key=lambda output: output.max_relative_error)
    rows = [
        ("bundle", f"{bundle.path}, {size / 1e6:.1f} MB"),
        ("network", f"{manifest.student.id}, {manifest.student.parameters / 1e6:.1f} M parameters"),
        ("graph", f"{graph.output_set}, {graph.height} x {graph.width} px, {_made_for(manifest)}"),
        (
            "parity",
            f"{worst.max_relative_error:.1e} at most, {parity.tolerance:.0e} allowed "
            f"({parity.pairs} pairs: {parity.pairs_source})",
        ),
    ]
    if manifest.calibration is not None and manifest.reduction is not None:
        ranges = manifest.calibration
        kept = len(manifest.reduction.kept)
        rows += [
            ("ranges", f"{ranges.source}, {ranges.method}"),
            ("kept", f"{kept} nodes in a higher precision ({manifest.reduction.layers} layers)"),
            ("gate", manifest.gate),
        ]
    if engine is not None:
        rows.append(("engine", str(engine.path)))
    if triton is not None:
        rows.append(("triton", str(triton)))
    for name, text in rows:
        click.echo(f"{name:<9}{text}")


def _made_for(manifest: Manifest) -> str:
    if manifest.precision == "fp32":
        return "fp32"
    return f"{manifest.precision} for {manifest.target}"
