"""`lunar-export`: checkpoint to bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.bundles.choices import (
    OUTPUT_SETS,
    PRECISIONS,
    TARGETS,
    OutputSet,
    Precision,
    Target,
)
from lunar_runtime.commands import options
from lunar_runtime.commands.command_line import echo, run_command
from lunar_runtime.commands.memory_limits import Needs, check_memory

from lunar_export.choices import (
    ENGINE_CHOICES,
    METHOD_CHOICES,
    PROFILES,
    EngineChoice,
    MethodChoice,
    Profile,
)
from lunar_export.commands.job import Deployment, choose_source, run_job
from lunar_export.commands.options import STUDENTS, WEIGHTS, rows_columns
from lunar_export.commands.summary import gate_table, summary

if TYPE_CHECKING:
    from lunar_runtime.bundles.manifest import GateRecord
    from lunar_student.checkpoint_layouts import WeightsKind

    from lunar_export.bundling.options import ExportOptions

NAME = "lunar-export"
# Of the smallest graph; with as much it was out of memory. With less PyTorch and onnx ended the
# process, or left errors that say nothing (at 500 of addresses, at 100, 150 and 300 of data).
_NEEDS = Needs(address=1100, data=400, held=250)


@click.command(context_settings=options.CONTEXT)
@click.option(
    "--ckpt",
    type=options.PATH,
    help="Weights: a state dict or training checkpoint (.pt, .pth), or safetensors.",
)
@click.option(
    "--untrained",
    type=click.Choice(STUDENTS),
    help="Random weights instead of --ckpt, to measure speed and memory. The bundle says so.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of --untrained.")
@click.option(
    "--student",
    type=click.Choice(STUDENTS),
    help="Refuse a checkpoint of another student.  [default: whichever it is]",
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    help="Of a checkpoint that holds both: the model's own weights, or their average over the "
    "training (EMA).  [default: model]",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="Precision of weights and arithmetic. Below fp32, slopes are compared with the network's, "
    "and a graph that changes them too much is refused.",
)
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="cpu",
    show_default=True,
    help="What the graph is made for and judged in: ONNX Runtime on a CPU, OpenVINO, or TensorRT. "
    "OpenVINO runs it on this processor, which must compute in the precision (bf16 is for it "
    "alone).",
)
@click.option(
    "--calib",
    type=options.PATH,
    help="Calibration set, made by lunar-calib.  [default: rendered pairs]",
)
@click.option(
    "--calib-method",
    type=click.Choice(METHOD_CHOICES),
    default="auto",
    show_default=True,
    help="How int8 clips activations; auto measures which way keeps slopes best.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Write the bundle also if it fails its gate; the bundle says so. With --untrained nothing "
    "is judged, which saves most of the time.",
)
@click.option(
    "--plot",
    type=options.FILE,
    help="Draw what each layer costs in slope, and which layers keep their precision (PNG).",
)
@click.option(
    "--outputs",
    type=click.Choice(OUTPUT_SETS),
    default="both",
    show_default=True,
    help="left: the left pointmap, for depth. both: also the right one, for pose and scale. "
    "all: also the descriptors. Other outputs are left out of the graph.",
)
@click.option(
    "--size",
    callback=rows_columns,
    default="512",
    show_default=True,
    metavar="PX|HxW",
    help="Size of the images: a side, or rows x columns; multiples of 16.",
)
@click.option(
    "--split",
    is_flag=True,
    help="Two graphs, an encoder and a decoder: in a sequence a view is encoded once, although two "
    "pairs have it. For fp32.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    help="Write the graph in operators of ONNX's safety-related profile (a draft), with every "
    "attribute, type and shape said; refuse it if a requirement is not met. For fp32.",
)
@click.option("--out", type=options.PATH, required=True, help="Folder of the bundle to make.")
@click.option(
    "--engine",
    type=click.Choice(ENGINE_CHOICES),
    default="auto",
    show_default=True,
    help="Also build an engine, as lunar-engine does; auto: if TensorRT and a GPU are here.",
)
@click.option(
    "--triton",
    type=options.PATH,
    help="Also add the model to this Triton model repository; as an engine, if one was built.",
)
@click.option(
    "--triton-instances",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Copies of the network that Triton runs side by side.",
)
@options.threads
@options.overwrite("the bundle that is there, and Triton's model")
@options.json_output("the manifest")
@options.verbose
@options.version(NAME)
def command(
    ckpt: Path | None,
    untrained: str | None,
    seed: int,
    student: str | None,
    weights: WeightsKind | None,
    precision: Precision,
    target: Target,
    calib: Path | None,
    calib_method: MethodChoice,
    force: bool,
    plot: Path | None,
    outputs: OutputSet,
    size: tuple[int, int],
    split: bool,
    profile: Profile | None,
    out: Path,
    engine: EngineChoice,
    triton: Path | None,
    triton_instances: int,
    threads: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make a bundle for lunar-infer from a student's checkpoint.

    The graph is compared with the PyTorch network on lunar image pairs. A graph that differs is
    not written. A graph of lower precision is not written either if it changes slopes, misses
    hazards or is slower.

    Exit codes: 0 done, 2 wrong usage, 3 unusable checkpoint, calibration set or output folder, 4
    no engine can be built although one is required, or OpenVINO or what it should compute in is not
    here, 5 the graph differs from the network, fails the gate of its precision, or is
    not of the profile.
    """
    check_memory(_NEEDS)

    def asked() -> ExportOptions:
        from lunar_export.bundling.options import ExportOptions, PrecisionOptions

        lower = PrecisionOptions(precision, target, calib, calib_method, force, plot)
        return ExportOptions(outputs, *size, lower, threads, profile=profile, split=split)

    source = choose_source(ckpt, untrained, student, seed, weights)
    if target == "openvino":
        if engine == "require":
            raise click.UsageError("--engine is TensorRT's; leave it out with --target openvino.")
        engine = "never"
    if split and triton is not None:
        raise click.UsageError("--triton serves one graph; leave out --split.")
    deployment = Deployment(engine, triton, triton_instances)
    gates: list[GateRecord] = []
    try:
        done = run_job(source, out, asked, deployment, gates.append, overwrite=overwrite)
    finally:  # what fails its gate is shown too
        for gate in gates:
            _print([] if as_json else gate_table(precision, gate))
    if as_json:
        from lunar_runtime.bundles.manifest import MANIFEST_NAME

        click.echo((done.bundle.path / MANIFEST_NAME).read_text(), nl=False)
    else:
        _print(summary(done))


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        echo(line)
