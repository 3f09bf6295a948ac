"""`lunar-engine`: a bundle's engine, built and checked on the machine that will fly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunar_runtime.backends.tensorrt.libraries import LIBRARY_CHOICES, LibraryChoice
from lunar_runtime.commands import options
from lunar_runtime.commands.command_line import echo, run_command
from lunar_runtime.errors import UsageError

if TYPE_CHECKING:
    from lunar_runtime.backends.tensorrt.record import EngineRecord
    from lunar_runtime.backends.tensorrt.store import StoredEngine

NAME = "lunar-engine"


def _compute_capabilities(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    found = []
    for value in values:
        major, dot, minor = value.partition(".")
        if not (dot and major.isdecimal() and minor.isdecimal()):
            raise click.BadParameter(f"{value!r} is not a compute capability such as 8.9.")
        found.append((int(major), int(minor)))
    return tuple(found)


def _size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    from lunar_runtime.engine_tool.memory import parse_size

    if value is None:
        return None
    try:
        return parse_size(value)
    except UsageError as error:
        raise click.BadParameter(str(error)) from error


@click.command(context_settings=options.CONTEXT)
@click.argument("bundle", type=options.PATH)
@click.option(
    "--library",
    type=click.Choice(LIBRARY_CHOICES),
    default="auto",
    show_default=True,
    help="`auto` is TensorRT where it is installed, else TensorRT-RTX.",
)
@click.option(
    "--workspace",
    callback=_size,
    metavar="SIZE",
    help="Most memory a layer may use while it is tried out, as in 512M.  [default: half of what "
    "is free, 2G at most]",
)
@click.option(
    "--timing-cache",
    type=options.FILE,
    help="Of earlier builds on this machine, read and written.  [default: beside the engine]",
)
@click.option(
    "--weight-stripped",
    is_flag=True,
    help="Leave the weights out of the engine; they are loaded from the bundle's model.",
)
@click.option(
    "--version-compatible",
    is_flag=True,
    help="Newer TensorRT of the same major version may run it.",
)
@click.option(
    "--hardware-compatible", is_flag=True, help="Other GPUs from Ampere on may run it, slower."
)
@click.option(
    "--compute-capability",
    "compute_capabilities",
    multiple=True,
    callback=_compute_capabilities,
    metavar="N.N",
    help="TensorRT-RTX only: of the GPUs to build for; may be repeated.  [default: this GPU's, "
    "without one every one from Ampere on]",
)
@click.option(
    "--cuda-graph/--no-cuda-graph",
    default=True,
    show_default=True,
    help="Launch the network as one graph.",
)
@options.trust
@click.option("--check", is_flag=True, help="Build nothing; check the engine that is there.")
@options.overwrite("the engine that is there")
@options.json_output("the engine's record, or the two of a network in two graphs")
@options.verbose
@options.version(NAME)
def command(
    bundle: Path,
    library: LibraryChoice,
    workspace: int | None,
    timing_cache: Path | None,
    weight_stripped: bool,
    version_compatible: bool,
    hardware_compatible: bool,
    compute_capabilities: tuple[tuple[int, int], ...],
    cuda_graph: bool,
    trust: Path | None,
    require_signature: bool | None,
    check: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Make of BUNDLE's graph an engine for this machine's GPU, and keep it in the bundle.

    The engine is compared with the bundle's golden pair before it is written. lunar-infer finds it
    by itself.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle, 4 TensorRT, GPU or memory missing, 5 the
    engine computes something else.
    """
    from lunar_runtime.backends.tensorrt.gpu import open_gpu
    from lunar_runtime.backends.tensorrt.libraries import choose_library
    from lunar_runtime.backends.tensorrt.record import encode_record
    from lunar_runtime.backends.tensorrt.store import find_engine
    from lunar_runtime.bundles.bundle import Bundle
    from lunar_runtime.engine_tool.make import EngineRequest, check_engines, make_engines
    from lunar_runtime.engine_tool.progress_bar import build_progress

    opened = Bundle.open(bundle, trust=trust, require_signature=require_signature)
    chosen = choose_library(library)
    if check:
        gpu = open_gpu().gpu
        there = [find_engine(part, chosen.name, chosen.version, gpu) for part in opened.parts]
        engines = check_engines(opened, chosen, there)
    else:
        request = EngineRequest(
            workspace_bytes=workspace,
            weight_stripped=weight_stripped,
            version_compatible=version_compatible,
            hardware_compatible=hardware_compatible,
            compute_capabilities=compute_capabilities,
            cuda_graph=cuda_graph,
            timing_cache=timing_cache,
        )
        with build_progress() as progress:
            engines = make_engines(opened, chosen, request, overwrite=overwrite, progress=progress)
    for stored in engines:
        if as_json:
            click.echo(encode_record(stored.record).decode(), nl=False)
            continue
        for line in _summary(stored):
            echo(line)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _summary(stored: StoredEngine) -> list[str]:
    """What an engine is, one line a fact, its name in the first nine columns."""
    record, key = stored.record, stored.record.key
    counts = record.description.precisions()
    layers = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "unknown"
    classes = ", ".join(f"{major}.{minor}" for major, minor in key.compute_capabilities)
    rows = [
        ("engine", f"{stored.path}, {record.bytes / 1e6:.1f} MB"),
        ("made by", f"{key.library} {key.version} in {record.build_seconds:.0f} s"),
        ("runs on", f"{key.gpu} GPU, compute capability {classes}"),
        ("layers", f"{len(record.description.layers)}; products and convolutions: {layers}"),
        ("memory", _memory(record)),
        ("golden", _golden(record)),
    ]
    return [f"{name:<9}{text}" for name, text in rows]


def _memory(record: EngineRecord) -> str:
    memory = record.memory
    on_device = [
        f"{size / 1e6:.0f} MB {what}"
        for what, size in (("weights", memory.weights), ("activations", memory.activations))
        if size is not None
    ]
    if record.golden:
        on_device.append(f"{record.golden.device_memory_bytes / 1e6:.0f} MB in all when loaded")
    return ", ".join(on_device) or "unknown"


def _golden(record: EngineRecord) -> str:
    if record.golden is None:
        return (
            "not run: no GPU here can run this engine; run `lunar-engine --check` on one that can"
        )
    worst = max(record.golden.mean_relative_errors.values())
    return f"passed on {record.golden.gpu}, mean error {worst:.1e} at most"
