"""ONNX graph to engine.

Precision is in the graph (a strongly typed network): no builder flag lowers or raises it, and the
same graph builds on TensorRT 10.3, 10.16, 11 and TensorRT-RTX.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lunar_runtime.backends.tensorrt.bindings import rtx_objects as rtx
from lunar_runtime.backends.tensorrt.bindings.module import TensorRT
from lunar_runtime.backends.tensorrt.bindings.objects import (
    Builder,
    IBuilderConfig,
    ILogger,
    INetworkDefinition,
    OnnxParser,
)
from lunar_runtime.backends.tensorrt.description import EngineDescription, parse_description
from lunar_runtime.backends.tensorrt.journal import Journal, make_logger
from lunar_runtime.backends.tensorrt.libraries import Library
from lunar_runtime.engine_tool.progress import BuildProgress, LoggedProgress, make_monitor
from lunar_runtime.errors import BackendError, BundleError


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        workspace_bytes: Limit of the builder's workspace pool.
        weight_stripped: Leave the weights out; loading takes them from the bundle's ONNX file.
        version_compatible: Newer versions of the same major number can run it.
        hardware_compatible: Every GPU from Ampere on can run it.
        compute_capabilities: TensorRT-RTX only: (major, minor) to build for.
    """

    workspace_bytes: int
    weight_stripped: bool = False
    version_compatible: bool = False
    hardware_compatible: bool = False
    compute_capabilities: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class BuiltEngine:
    """A finished engine, not yet loaded.

    Attributes:
        plan: The serialised engine.
        description: By the builder's own report; empty where the version gives none.
        activations_bytes: As the builder counted; None if it did not say.
        weights_bytes: The same.
        timing_cache: To start the next build with; empty for TensorRT-RTX, which times nothing.
        seconds: The build took.
    """

    plan: memoryview
    description: EngineDescription
    activations_bytes: int | None
    weights_bytes: int | None
    timing_cache: bytes
    seconds: float


def build_engine(
    library: Library,
    model: Path,
    options: BuildOptions,
    timing_cache: bytes = b"",
    progress: BuildProgress | None = None,
    *,
    content: bytes | None = None,
) -> BuiltEngine:
    """Build an engine.

    Args:
        library: What builds it.
        model: The ONNX file; weights in a file of their own lie beside it.
        options: How.
        timing_cache: Of an earlier build with the same library on the same GPU.
        progress: Told of every phase.
        content: Of the ONNX file, where it was verified; None reads the file.

    Raises:
        BundleError: TensorRT cannot read the graph; the line names the node and its operator.
        BackendError: There is no driver or GPU, or not enough memory.
        KeyboardInterrupt: `progress` cancelled the build.
    """
    begin = time.perf_counter()
    trt = library.trt
    journal = Journal()
    logger = make_logger(trt, journal)
    builder = _make_builder(library, logger, journal)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    # The parser must outlive the build: the network points to weights that it holds.
    content = model.read_bytes() if content is None else content
    parser = _parse(library, network, logger, model, content, journal)
    config = builder.create_builder_config()
    _configure(trt, config, options)
    if options.compute_capabilities:
        _choose_classes(library, config, options.compute_capabilities)
    times = library.rtx is None
    if times:
        _use_cache(config, timing_cache)
    listener = progress or LoggedProgress()
    monitor = make_monitor(trt, listener)
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    del parser
    if plan is None and listener.cancelled:
        raise KeyboardInterrupt
    if plan is None:
        raise _build_failure(library, model, journal, options)
    cache = config.get_timing_cache() if times else None
    return BuiltEngine(
        plan=memoryview(plan),
        description=parse_description(journal.description or ""),
        activations_bytes=journal.activations_bytes,
        weights_bytes=journal.weights_bytes,
        timing_cache=bytes(memoryview(cache.serialize())) if cache else b"",
        seconds=time.perf_counter() - begin,
    )


def rtx_classes(library: Library) -> dict[tuple[int, int], str]:
    """The compute capabilities that TensorRT-RTX can build for, with its names of them."""
    assert library.rtx is not None
    return {
        (int(name[2:-1]), int(name[-1])): name
        for name in library.rtx.ComputeCapability.__members__
        if name.startswith("SM")
    }


def _make_builder(library: Library, logger: ILogger, journal: Journal) -> Builder:
    try:
        return library.trt.Builder(logger)
    except TypeError as error:  # pybind11's word for a null pointer
        if journal.no_driver:
            raise BackendError(
                f"{library} finds no NVIDIA GPU ({journal.first_error}); run lunar-engine on the "
                "machine that will fly, or build with tensorrt-rtx, which needs no GPU"
            ) from error
        raise BackendError(f"{library} cannot start: {journal.first_error}") from error


def _parse(
    library: Library,
    network: INetworkDefinition,
    logger: ILogger,
    model: Path,
    content: bytes,
    journal: Journal,
) -> OnnxParser:
    parser = library.trt.OnnxParser(network, logger)
    if not parser.parse(content, str(model)):  # the path: for weights in a file beside it
        raise BundleError(f"{model}: {library} cannot read it: {_parser_errors(parser, journal)}")
    return parser


def _parser_errors(parser: OnnxParser, journal: Journal) -> str:
    """The first node that failed, with what can be done; then how many more there are."""
    if not parser.num_errors:
        return f"{journal.first_error}; re-create the bundle with lunar-export"
    error = parser.get_error(0)
    more = parser.num_errors - 1
    return (
        f"node {error.node_name() or '(unnamed)'}, operator {error.node_operator() or '(none)'}: "
        f"{' '.join(error.desc().split())} ({error.code().name}"
        + (f"; {more} more" if more else "")
        + "); export the student again with this version's lunar-export, use a newer TensorRT, or "
        "run lunar-infer --backend onnxruntime"
    )


def _configure(trt: TensorRT, config: IBuilderConfig, options: BuildOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.weight_stripped:
        config.set_flag(trt.BuilderFlag.STRIP_PLAN)
        # The weights that come back are those that were left out: nothing else may be assumed.
        config.set_flag(trt.BuilderFlag.REFIT_IDENTICAL)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS


def _choose_classes(
    library: Library, config: IBuilderConfig, classes: tuple[tuple[int, int], ...]
) -> None:
    assert library.rtx is not None
    rtx_config = cast(rtx.IBuilderConfig, config)
    known = rtx_classes(library)
    rtx_config.num_compute_capabilities = len(classes)
    for index, numbers in enumerate(classes):
        if numbers not in known:
            raise BackendError(
                f"{library} cannot build for compute capability {numbers[0]}.{numbers[1]}, only "
                f"for {', '.join(f'{major}.{minor}' for major, minor in known)}; use "
                "tensorrt on a machine with that GPU"
            )
        member = library.rtx.ComputeCapability.__members__[known[numbers]]
        rtx_config.set_compute_capability(member, index)


def _use_cache(config: IBuilderConfig, content: bytes) -> None:
    cache = config.create_timing_cache(content) or config.create_timing_cache(b"")
    if cache is not None:
        config.set_timing_cache(cache, False)


def _build_failure(
    library: Library, model: Path, journal: Journal, options: BuildOptions
) -> BackendError | BundleError:
    mib = options.workspace_bytes >> 20
    requested = journal.requested_bytes
    if journal.out_of_memory and requested and requested > options.workspace_bytes:
        return BackendError(
            f"{library} needs {-(-requested >> 20)} MiB of workspace for this graph and was given "
            f"{mib}; give it more workspace"
        )
    if journal.out_of_memory:
        return BackendError(
            f"{library} ran out of memory while building ({journal.first_error}); the workspace "
            f"was {mib} MiB: give it less, stop other programs, or add swap"
        )
    if journal.no_driver:
        return BackendError(
            f"{library} finds no NVIDIA driver or GPU ({journal.first_error}); run lunar-engine on "
            "the machine that will fly"
        )
    if journal.no_implementation:
        return BackendError(
            f"{library} has no kernel for a layer within {mib} MiB of workspace "
            f"({journal.first_error}); give it more workspace"
        )
    return BundleError(
        f"{model}: {library} cannot build it ({journal.first_error}); re-create the bundle with "
        "lunar-export, or run lunar-infer --backend onnxruntime"
    )
