"""The JSON file beside an engine: what it is, where it runs, and how it did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.key import EngineKey
from lunar_runtime.bundles.choices import Precision
from lunar_runtime.bundles.manifest import Sha256, UtcTime
from lunar_runtime.errors import BundleError, InputError
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.files.strict_json import check_json

_AGAIN = "build it again with lunar-engine --overwrite"
_LARGEST_RECORD = 16 << 20


class GoldenOutcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bundle's own pair, run through the engine.

    Attributes:
        mean_relative_errors: Per output; all were within the bundle's tolerances.
        gpu: Where it ran.
        device_memory_bytes: Taken there by loading it, everything included.
        checked: When.
    """

    mean_relative_errors: dict[str, float]
    gpu: str
    device_memory_bytes: int
    checked: UtcTime


class EngineMemory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Memory on the device, as the builder counted it; None where it did not say.

    Attributes:
        activations: Bytes of what is between the layers.
        weights: Bytes of the weights.
        workspace_limit: Bytes that a layer was allowed while it was tried out.
    """

    activations: int | None
    weights: int | None
    workspace_limit: int


class EngineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is known of an engine.

    Attributes:
        key: What it was made for.
        precision: Of the bundle it was made from.
        plan: Name of the engine's file, in the same folder.
        sha256: Of that file.
        bytes: Its size.
        weight_stripped: Its weights are in the bundle's ONNX file.
        cuda_graph: Run as a CUDA graph.
        description: Layers, with their precision, and tensors.
        described_by: Who told the description: the inspector of the loaded engine, or, where it was
            built without a GPU, the builder.
        memory: On the device.
        golden: None if it was built where it cannot run.
        build_seconds: How long the build took.
        built: When.
        format_version: Of this schema.
    """

    key: EngineKey
    precision: Precision
    plan: str
    sha256: Sha256
    bytes: Annotated[int, msgspec.Meta(gt=0)]
    weight_stripped: bool
    cuda_graph: bool
    description: EngineDescription
    described_by: Literal["inspector", "builder", "nobody"]
    memory: EngineMemory
    golden: GoldenOutcome | None
    build_seconds: float
    built: UtcTime
    format_version: Literal[1] = 1


def encode_record(record: EngineRecord) -> bytes:
    """Indented JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def read_record(path: Path) -> EngineRecord:
    """Read and check a record.

    Raises:
        BundleError: It cannot be read, or is of another format.
    """
    try:
        content = read_regular(path, _LARGEST_RECORD, "an engine's record", _AGAIN)
    except InputError as error:
        raise BundleError(str(error)) from error
    try:
        check_json(content, any_text=True)
        record = msgspec.json.decode(content, type=EngineRecord)
    except ValueError as error:
        raise BundleError(f"{path}: not an engine's record ({error}); {_AGAIN}") from error
    if record.plan != f"{path.stem}.plan":
        raise BundleError(f"{path}: describes {record.plan!r}, not its neighbour; {_AGAIN}")
    return record
