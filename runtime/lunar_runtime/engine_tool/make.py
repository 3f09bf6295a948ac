"""A bundle's engine for this machine: build, look inside, check, keep."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from lunar_runtime.backends.tensorrt.backend import TensorrtBackend
from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.engine import Plan
from lunar_runtime.backends.tensorrt.gpu import Gpu, GpuSession, open_gpu
from lunar_runtime.backends.tensorrt.key import ANY_GPU, EngineKey, file_stem, refusal
from lunar_runtime.backends.tensorrt.libraries import Library
from lunar_runtime.backends.tensorrt.record import EngineMemory, EngineRecord, GoldenOutcome
from lunar_runtime.backends.tensorrt.store import (
    StoredEngine,
    check_free,
    engine_path,
    model_sha256,
    sha256_of_plan,
    write_engine,
    write_record,
)
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.engine_tool.build import BuildOptions, BuiltEngine, build_engine, rtx_classes
from lunar_runtime.engine_tool.memory import ENOUGH_WORKSPACE, choose_workspace
from lunar_runtime.engine_tool.progress import BuildProgress
from lunar_runtime.errors import BackendError, BundleError, GateError, UsageError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.inference.pipeline import StereoRuntime

_log = logging.getLogger(__name__)

# Built for by TensorRT-RTX only when asked: Turing keeps the others from being built well.
_TURING = (7, 5)
_LARGEST_CACHE = 1 << 30


@dataclass(frozen=True)
class EngineRequest:
    """What is asked of `make_engine`.

    Attributes:
        workspace_bytes: Of the builder; None chooses from what is free.
        weight_stripped: See `BuildOptions`.
        version_compatible: See `BuildOptions`.
        hardware_compatible: See `BuildOptions`.
        compute_capabilities: TensorRT-RTX only; none are this GPU's, and without a GPU all that the
            library knows from Ampere on.
        cuda_graph: Run the engine as a CUDA graph.
        timing_cache: Instead of the one beside the engine.
    """

    workspace_bytes: int | None = None
    weight_stripped: bool = False
    version_compatible: bool = False
    hardware_compatible: bool = False
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    cuda_graph: bool = True
    timing_cache: Path | None = None


def make_engine(
    bundle: Bundle,
    library: Library,
    request: EngineRequest,
    *,
    overwrite: bool = False,
    progress: BuildProgress | None = None,
) -> StoredEngine:
    """Build an engine, run the golden pair through it where it can run, and write it.

    Args:
        bundle: Whose graph to build; the engine goes into its `engines` folder.
        library: What builds.
        request: How.
        overwrite: Replace the engine that is there, once the new one is checked.
        progress: Told of every phase of the build.

    Raises:
        UsageError: The library has not what is asked for.
        BackendError: The library, the GPU or memory for the build is missing.
        BundleError: The library cannot build the graph.
        GateError: The engine does not compute what the bundle says, or nothing in its precision.
            Nothing was written.
        OutputError: The engine exists, or the bundle cannot be written to.
    """
    _check(library, request)
    _check_target(bundle)
    session = _find_gpu(library)
    gpu = session.gpu if session else None
    key = _make_key(bundle, library, request, gpu)
    path = engine_path(bundle, key)
    check_free(path, overwrite=overwrite)
    options = BuildOptions(
        workspace_bytes=request.workspace_bytes or _workspace(bundle, session),
        weight_stripped=request.weight_stripped,
        version_compatible=request.version_compatible,
        hardware_compatible=request.hardware_compatible,
        compute_capabilities=key.compute_capabilities if library.rtx else (),
    )
    cache = request.timing_cache or path.with_name(f"{file_stem(key, 'timing')}.cache")
    with session.current() if session else nullcontext():
        content = bundle.model().content
        built = build_engine(
            library, bundle.model_path, options, _read_cache(cache), progress, content=content
        )
    if built.timing_cache:
        make_folder(cache.parent)
        with atomic_path(cache) as temporary:
            temporary.write_bytes(built.timing_cache)
    runs_here = gpu is not None and not refusal(key, key.model_sha256, library.version, gpu)
    golden, description = _try(bundle, library, path, request, built) if runs_here else (None, None)
    _check_precision(bundle, library, description or built.description)
    record = EngineRecord(
        key=key,
        precision=bundle.manifest.precision,
        plan=path.name,
        sha256=sha256_of_plan(built.plan),
        bytes=built.plan.nbytes,
        weight_stripped=request.weight_stripped,
        cuda_graph=request.cuda_graph,
        description=description or built.description,
        described_by="inspector"
        if description
        else "builder"
        if built.description.layers
        else "nobody",
        memory=EngineMemory(
            activations=built.activations_bytes,
            weights=built.weights_bytes,
            workspace_limit=options.workspace_bytes,
        ),
        golden=golden,
        build_seconds=round(built.seconds, 1),
        built=_now(),
    )
    return write_engine(path, built.plan, record)


def check_engine(bundle: Bundle, library: Library, stored: StoredEngine) -> StoredEngine:
    """Run the golden pair through an engine that is there, and note the outcome beside it.

    Raises:
        BackendError: It cannot run here.
        BundleError: It is damaged.
        GateError: It does not compute what the bundle says, or nothing in its precision.
        OutputError: The outcome cannot be noted.
    """
    golden, description = _run_golden(bundle, library, Plan.stored(stored))
    _check_precision(bundle, library, description)
    record = msgspec.structs.replace(
        stored.record, golden=golden, description=description, described_by="inspector"
    )
    return write_record(stored.path, record)


def _check(library: Library, request: EngineRequest) -> None:
    if library.rtx is None and request.compute_capabilities:
        raise UsageError(
            "compute_capabilities are for tensorrt-rtx; TensorRT builds for the GPU that it runs on"
        )
    if library.rtx is not None and request.version_compatible:
        raise UsageError(
            f"version_compatible: engines of {library} run on that version only; leave it out"
        )
    if library.rtx is not None and request.timing_cache:
        raise UsageError(f"timing_cache: {library} times nothing while it builds; leave it out")
    if library.rtx is not None and request.hardware_compatible:
        raise UsageError(
            f"hardware_compatible: {library} builds for GPUs by compute_capabilities; use that"
        )


def _check_target(bundle: Bundle) -> None:
    precision, target = bundle.manifest.precision, bundle.manifest.target
    if precision != "fp32" and target != "tensorrt":
        raise BundleError(
            f"{bundle.path}: its {precision} graph is made for ONNX Runtime on a {target.upper()}; "
            f"export the student again with `lunar-export --precision {precision} --target "
            "tensorrt`"
        )


def _check_precision(bundle: Bundle, library: Library, description: EngineDescription) -> None:
    """An engine called INT8 has to multiply in INT8 somewhere, if it says what it does."""
    counts = description.precisions()
    precision = bundle.manifest.precision
    if counts and not any(precision in found.split("+") for found in counts):
        what = ", ".join(f"{count} in {found}" for found, count in counts.items())
        raise GateError(
            f"{bundle.path}: its precision is {precision}, but {library} made an engine whose "
            f"products and convolutions run {what}; export the student again with "
            f"`lunar-export --precision {precision} --target tensorrt`"
        )


def _find_gpu(library: Library) -> GpuSession | None:
    try:
        return open_gpu()
    except BackendError as error:
        if library.rtx is None:
            raise
        _log.info("%s; %s builds without one", error, library)
        return None


def _make_key(
    bundle: Bundle, library: Library, request: EngineRequest, gpu: Gpu | None
) -> EngineKey:
    classes = request.compute_capabilities
    if library.rtx is None:
        assert gpu is not None
        classes = (gpu.compute_capability,)
    elif not classes and gpu is not None:
        classes = (gpu.compute_capability,)
    elif not classes:
        classes = tuple(numbers for numbers in rtx_classes(library) if numbers != _TURING)
    return EngineKey(
        library=library.name,
        version=library.version,
        gpu=gpu.name if gpu and library.rtx is None else ANY_GPU,
        compute_capabilities=classes,
        model_sha256=model_sha256(bundle),
        version_compatible=request.version_compatible,
        hardware_compatible=request.hardware_compatible,
    )


def _workspace(bundle: Bundle, session: GpuSession | None) -> int:
    if session is None:
        return ENOUGH_WORKSPACE  # of the GPU that it will run on, which is not here to be asked
    size = sum(
        record.bytes
        for name, record in bundle.manifest.files.items()
        if name.startswith(bundle.manifest.graph.file)
    )
    return choose_workspace(session.gpu, session.free_bytes(), size)


def _read_cache(path: Path) -> bytes:
    if not path.exists():
        return b""  # the first build on this machine; TensorRT starts an empty one
    return read_regular(path, _LARGEST_CACHE, "a timing cache", "remove it")


def _try(
    bundle: Bundle, library: Library, path: Path, request: EngineRequest, built: BuiltEngine
) -> tuple[GoldenOutcome, EngineDescription]:
    plan = Plan(
        built.plan, path, request.weight_stripped, request.version_compatible, request.cuda_graph
    )
    return _run_golden(bundle, library, plan)


def _run_golden(
    bundle: Bundle, library: Library, plan: Plan
) -> tuple[GoldenOutcome, EngineDescription]:
    backend = TensorrtBackend(bundle, library, plan)
    with StereoRuntime(bundle, backend) as runtime:
        errors = runtime.check_golden()
        description = backend.describe()
    outcome = GoldenOutcome(
        mean_relative_errors=errors,
        gpu=open_gpu().gpu.name,
        device_memory_bytes=backend.device_memory_bytes,
        checked=_now(),
    )
    return outcome, description


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)
