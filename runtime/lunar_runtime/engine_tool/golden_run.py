"""Whether engines compute what their bundle says: its golden pair through them, on the GPU."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

import msgspec

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.split import SplitBackend
from lunar_runtime.backends.tensorrt.backend import TensorrtBackend
from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.engine import Plan
from lunar_runtime.backends.tensorrt.gpu import open_gpu
from lunar_runtime.backends.tensorrt.libraries import Library
from lunar_runtime.backends.tensorrt.record import EngineRecord, GoldenOutcome
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import GateError
from lunar_runtime.inference.pipeline import StereoRuntime


def run_golden(
    bundle: Bundle, library: Library, plans: Sequence[Plan]
) -> list[tuple[GoldenOutcome, EngineDescription]]:
    """Run the golden pair.

    Args:
        bundle: That has it.
        library: What runs the engines.
        plans: One of each of the bundle's `parts`.

    Returns:
        Of each engine, the outcome and its description.

    Raises:
        BackendError: They cannot run here.
        GateError: They do not compute what the bundle says.
    """
    loaded = [
        TensorrtBackend(part, library, plan) for part, plan in zip(bundle.parts, plans, strict=True)
    ]
    backend: Backend = loaded[0]
    if len(loaded) > 1:
        encoder, decoder = loaded
        backend = SplitBackend(bundle, encoder, decoder)
    with StereoRuntime(bundle, backend) as runtime:
        errors = runtime.check_golden()
        descriptions = [engine.describe() for engine in loaded]
    return [
        (
            GoldenOutcome(
                mean_relative_errors=errors,
                gpu=open_gpu().gpu.name,
                device_memory_bytes=engine.device_memory_bytes,
                checked=datetime.now(timezone.utc).replace(microsecond=0),
            ),
            description,
        )
        for engine, description in zip(loaded, descriptions, strict=True)
    ]


def with_golden(
    record: EngineRecord, golden: GoldenOutcome, description: EngineDescription
) -> EngineRecord:
    """The record with what came of the golden pair."""
    return msgspec.structs.replace(
        record, golden=golden, description=description, described_by="inspector"
    )


def check_precision(bundle: Bundle, library: Library, description: EngineDescription) -> None:
    """Refuse an engine called INT8 that multiplies nothing in INT8, if it says what it does.

    Raises:
        GateError: It does not.
    """
    counts = description.precisions()
    precision = bundle.manifest.precision
    if counts and not any(precision in found.split("+") for found in counts):
        what = ", ".join(f"{count} in {found}" for found, count in counts.items())
        raise GateError(
            f"{bundle.path}: its precision is {precision}, but {library} made an engine whose "
            f"products and convolutions run {what}; export the student again with "
            f"`lunar-export --precision {precision} --target tensorrt`"
        )
