"""`lunar-engine`: a bundle's engine, built and checked on the machine that will fly."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunar_runtime.commands.command_line import run_command
from lunar_runtime.version import __version__

if TYPE_CHECKING:
    from lunar_runtime.backends.tensorrt.libraries import Library
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

    return None if value is None else parse_size(value)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--library",
    type=click.Choice(["auto", "tensorrt", "tensorrt-rtx"]),
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
    type=click.Path(path_type=Path, dir_okay=False),
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
@click.option("--check", is_flag=True, help="Build nothing; check the engine that is there.")
@click.option("--overwrite", is_flag=True, help="Replace the engine that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the engine's record.")
@click.option("-v", "--verbose", count=True, help="Log to stderr; twice for more.")
@click.version_option(__version__, prog_name=NAME)
def command(
    bundle: Path,
    library: str,
    workspace: int | None,
    timing_cache: Path | None,
    weight_stripped: bool,
    version_compatible: bool,
    hardware_compatible: bool,
    compute_capabilities: tuple[tuple[int, int], ...],
    cuda_graph: bool,
    check: bool,
    overwrite: bool,
    as_json: bool,
    verbose: int,
) -> None:
    """Make of BUNDLE's graph an engine for this machine's GPU, and keep it in the bundle.

    The engine is compared with the bundle's golden pair before it is written. lunar-infer finds it
    by itself.

    Exit codes: 0 done, 2 wrong usage, 3 unusable bundle, 4 TensorRT, GPU or memory missing, 5 the
    engine computes something else.
    """
    if verbose:
        level = logging.DEBUG if verbose > 1 else logging.INFO
        logging.basicConfig(stream=sys.stderr, level=level, format="%(name)s: %(message)s")
    from lunar_runtime.bundles.bundle import Bundle

    opened = Bundle.open(bundle)
    chosen = _choose(library)
    from lunar_runtime.backends.tensorrt.gpu import open_gpu
    from lunar_runtime.backends.tensorrt.store import find_engine
    from lunar_runtime.engine_tool.make import EngineRequest, check_engine, make_engine
    from lunar_runtime.engine_tool.progress_bar import build_progress

    if check:
        stored = find_engine(opened, chosen.name, chosen.version, open_gpu().gpu)
        stored = check_engine(opened, chosen, stored)
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
            stored = make_engine(opened, chosen, request, overwrite=overwrite, progress=progress)
    _show(stored, as_json)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    run_command(command, NAME, arguments)


def _choose(name: str) -> Library:
    from lunar_runtime.backends.tensorrt.libraries import (
        LIBRARIES,
        import_library,
        installed_libraries,
    )
    from lunar_runtime.errors import BackendError

    for known in LIBRARIES:
        if known == name:
            return import_library(known)
    there = installed_libraries()
    if not there:
        raise BackendError(
            "neither TensorRT nor TensorRT-RTX is installed; on Jetson install JetPack's "
            "python3-libnvinfer and use a virtual environment with --system-site-packages, "
            "elsewhere `pip install tensorrt` or `pip install tensorrt-rtx`"
        )
    return import_library(there[0])


def _show(stored: StoredEngine, as_json: bool) -> None:
    from lunar_runtime.backends.tensorrt.record import encode_record

    record = stored.record
    if as_json:
        click.echo(encode_record(record).decode(), nl=False)
        return
    key, memory = record.key, record.memory
    counts = record.description.precisions()
    layers = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "unknown"
    on_device = [
        f"{size / 1e6:.0f} MB {what}"
        for what, size in (("weights", memory.weights), ("activations", memory.activations))
        if size is not None
    ]
    classes = ", ".join(f"{major}.{minor}" for major, minor in key.compute_capabilities)
    golden = "not run: no GPU here can run this engine; run `lunar-engine --check` on one that can"
    if record.golden:
        on_device.append(f"{record.golden.device_memory_bytes / 1e6:.0f} MB in all when loaded")
        worst = max(record.golden.mean_relative_errors.values())
        golden = f"passed on {record.golden.gpu}, mean error {worst:.1e} at most"
    rows = [
        ("engine", f"{stored.path}, {record.bytes / 1e6:.1f} MB"),
        ("made by", f"{key.library} {key.version} in {record.build_seconds:.0f} s"),
        ("runs on", f"{key.gpu} GPU, compute capability {classes}"),
        ("layers", f"{len(record.description.layers)}; products and convolutions: {layers}"),
        ("memory", ", ".join(on_device) or "unknown"),
        ("golden", golden),
    ]
    for name, text in rows:
        click.echo(f"{name:<9}{text}")
