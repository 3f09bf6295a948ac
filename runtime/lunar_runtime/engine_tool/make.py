"""A bundle's engine for this machine: build, look inside, check, keep."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.backends.tensorrt.engine import Plan
from lunar_runtime.backends.tensorrt.gpu import Gpu, GpuSession, open_gpu
from lunar_runtime.backends.tensorrt.key import ANY_GPU, EngineKey, file_stem, refusal
from lunar_runtime.backends.tensorrt.libraries import Library
from lunar_runtime.backends.tensorrt.record import EngineMemory, EngineRecord
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
from lunar_runtime.engine_tool.build import BuildOptions, build_engine, rtx_classes
from lunar_runtime.engine_tool.golden_run import check_precision, run_golden, with_golden
from lunar_runtime.engine_tool.memory import ENOUGH_WORKSPACE, choose_workspace
from lunar_runtime.engine_tool.progress import BuildProgress
from lunar_runtime.errors import BackendError, BundleError, UsageError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.regular_file import read_regular

_log = logging.getLogger(__name__)

# Built for by TensorRT-RTX only when asked: Turing keeps the others from being built well.
_TURING = (7, 5)
_LARGEST_CACHE = 1 << 30


@dataclass(frozen=True)
class EngineRequest:
    """What is asked of `make_engines`.

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


def make_engines(
    bundle: Bundle,
    library: Library,
    request: EngineRequest,
    *,
    overwrite: bool = False,
    progress: BuildProgress | None = None,
) -> tuple[StoredEngine, ...]:
    """Build an engine of each graph, run the golden pair where they can run, and write them.

    Args:
        bundle: Whose graph, or two graphs, to build; engines go into its `engines` folder.
        library: What builds.
        request: How.
        overwrite: Replace the engines that are there, once the new ones are checked.
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
    keys = [_make_key(part, library, request, gpu) for part in bundle.parts]
    paths = [engine_path(part, key) for part, key in zip(bundle.parts, keys, strict=True)]
    for path in paths:
        check_free(path, overwrite=overwrite)
    made = [
        _build(part, library, request, key, path, session, progress)
        for part, key, path in zip(bundle.parts, keys, paths, strict=True)
    ]
    records = [one.record for one in made]
    if gpu is not None and not refusal(keys[0], keys[0].model_sha256, library.version, gpu):
        checked = run_golden(bundle, library, [one.plan for one in made])
        records = [
            with_golden(record, *found) for record, found in zip(records, checked, strict=True)
        ]
    for record in records:
        check_precision(bundle, library, record.description)
    return tuple(
        write_engine(one.plan.path, one.plan.content, record)
        for one, record in zip(made, records, strict=True)
    )


def check_engines(
    bundle: Bundle, library: Library, stored: Sequence[StoredEngine]
) -> tuple[StoredEngine, ...]:
    """Run the golden pair through engines that are there, and note the outcome beside them.

    Args:
        bundle: That has them.
        library: What runs them.
        stored: One of each of the bundle's `parts`.

    Raises:
        BackendError: They cannot run here.
        BundleError: One is damaged.
        GateError: They do not compute what the bundle says, or nothing in its precision.
        OutputError: The outcome cannot be noted.
    """
    checked = run_golden(bundle, library, [Plan.stored(engine) for engine in stored])
    for _, description in checked:
        check_precision(bundle, library, description)
    return tuple(
        write_record(engine.path, with_golden(engine.record, *found))
        for engine, found in zip(stored, checked, strict=True)
    )


class _Made(NamedTuple):
    plan: Plan
    record: EngineRecord


def _build(
    part: Bundle,
    library: Library,
    request: EngineRequest,
    key: EngineKey,
    path: Path,
    session: GpuSession | None,
    progress: BuildProgress | None,
) -> _Made:
    options = BuildOptions(
        workspace_bytes=request.workspace_bytes or _workspace(part, session),
        weight_stripped=request.weight_stripped,
        version_compatible=request.version_compatible,
        hardware_compatible=request.hardware_compatible,
        compute_capabilities=key.compute_capabilities if library.rtx else (),
    )
    cache = request.timing_cache or path.with_name(f"{file_stem(key, 'timing')}.cache")
    with session.current() if session else nullcontext():
        content = part.model().content
        built = build_engine(
            library, part.model_path, options, _read_cache(cache), progress, content=content
        )
    if built.timing_cache:
        make_folder(cache.parent)
        with atomic_path(cache) as temporary:
            temporary.write_bytes(built.timing_cache)
    record = EngineRecord(
        key=key,
        precision=part.manifest.precision,
        plan=path.name,
        sha256=sha256_of_plan(built.plan),
        bytes=built.plan.nbytes,
        weight_stripped=request.weight_stripped,
        cuda_graph=request.cuda_graph,
        description=built.description,
        described_by="builder" if built.description.layers else "nobody",
        memory=EngineMemory(
            activations=built.activations_bytes,
            weights=built.weights_bytes,
            workspace_limit=options.workspace_bytes,
        ),
        golden=None,
        build_seconds=round(built.seconds, 1),
        built=datetime.now(timezone.utc).replace(microsecond=0),
    )
    plan = Plan(
        built.plan, path, request.weight_stripped, request.version_compatible, request.cuda_graph
    )
    return _Made(plan, record)


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
