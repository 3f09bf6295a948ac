"""The manifest of a bundle: what the model is, how it was made, and how good it is.

The schema lives here because the runtime is what must be able to refuse. An exporter builds the
structs, `encode` writes them, `decode` reads them back and says in one line what is wrong.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import msgspec

from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet, Precision, Target
from lunar_runtime.errors import BundleError

#: What `encode` writes. Version 1 lacked `reduction` and reads the same.
FORMAT_VERSION = 2
_OLDEST_VERSION = 1
MANIFEST_NAME = "manifest.json"

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
UtcTime = Annotated[datetime, msgspec.Meta(tz=True)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class StudentRecord(_Record, frozen=True, kw_only=True):
    """The network that was exported.

    Attributes:
        id: Its name, as in `S2`.
        parameters: Parameters of the whole network, before anything was left out of the graph.
        checkpoint_sha256: Digest of the file its weights came from; None for random weights.
        config: What `build_student` needs to make the same network again.
    """

    id: str
    parameters: Positive
    checkpoint_sha256: Sha256 | None
    config: dict[str, Any]


class TensorRecord(_Record, frozen=True, kw_only=True):
    """One input or output of the graph.

    Attributes:
        name: As in the ONNX graph.
        shape: Static, batch first.
        dtype: NumPy's name of it: `uint8`, `float32`.
        unit: `grey level`, `network unit` (one unknown scale for all points), `1`.
        frame: `left camera`, `left image`, `right image`.
    """

    name: str
    shape: tuple[Positive, ...]
    dtype: str
    unit: str
    frame: str


class GraphRecord(_Record, frozen=True, kw_only=True):
    """The ONNX file.

    Attributes:
        file: Its name in the bundle.
        opset: Of the default ONNX domain.
        output_set: Which outputs it has; see `OUTPUT_NAMES`.
        height: Rows of the input, in pixels.
        width: Columns of the input, in pixels.
        inputs: `left` and `right`.
        outputs: In the order of `OUTPUT_NAMES[output_set]`.
    """

    file: str
    opset: Positive
    output_set: OutputSet
    height: Positive
    width: Positive
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


class CalibrationRecord(_Record, frozen=True, kw_only=True):
    """The imagery that the INT8 ranges were measured on.

    Attributes:
        digest: SHA-256 of the calibration set.
        count: Pairs.
        method: `minmax`, `percentile 99.99`, `entropy`, `mse`.
        source: Of the pairs, in words.
        tried: Method -> slope shift in degrees, where the method was chosen by measuring.
    """

    digest: Sha256
    count: Positive
    method: str
    source: str = ""
    tried: dict[str, float] = {}


class OutputParity(_Record, frozen=True, kw_only=True):
    """How far one output is from the reference; see `bundles.parity.relative_error`."""

    max_relative_error: float
    mean_relative_error: float


class ParityRecord(_Record, frozen=True, kw_only=True):
    """The graph against the network it was made from, in FP32: before its precision was reduced.

    Attributes:
        reference: What it was compared with, as in `FP32 PyTorch student`.
        pairs: How many image pairs.
        pairs_source: Which ones, in words.
        tolerance: Largest mean relative error allowed, for every output.
        outputs: Per output name.
    """

    reference: str
    pairs: Positive
    pairs_source: str
    tolerance: Annotated[float, msgspec.Meta(gt=0)]
    outputs: dict[str, OutputParity]


class GateRecord(_Record, frozen=True, kw_only=True):
    """A lower precision against the FP32 network, on pairs that calibrated nothing.

    Attributes:
        pairs: How many image pairs.
        pairs_source: Which ones, in words.
        slope_shift_deg: Mean change of the slope of a pixel.
        slope_shift_limit_deg: What is allowed.
        slope_mae_deg: Mean slope error against the true depth; None where none is known.
        fp32_slope_mae_deg: The same of the FP32 network.
        miss: Slope in degrees -> share of the truly steeper pixels that are called safe.
        fp32_miss: The same of the FP32 network.
        miss_increase_limit: What is allowed between the two.
        max_relative_error: Of any point of a pointmap; None where one is not finite.
        not_finite: Values that are NaN or infinite.
        latency_ratio: To FP32, on the target; None where it was not timed.
        latency: What was timed, or why nothing was.
        fp32_bytes: Size of the FP32 graph.
        bytes: Size of this one.
        failures: Every limit that is broken, or why nothing was judged, in words; empty where the
            gate was passed.
    """

    pairs: Positive
    pairs_source: str
    slope_shift_deg: float
    slope_shift_limit_deg: float
    slope_mae_deg: float | None
    fp32_slope_mae_deg: float | None
    miss: dict[str, float | None]
    fp32_miss: dict[str, float | None]
    miss_increase_limit: float
    max_relative_error: float | None
    not_finite: Count
    latency_ratio: float | None
    latency: str
    fp32_bytes: Count
    bytes: Count
    failures: tuple[str, ...]


class ReductionRecord(_Record, frozen=True, kw_only=True):
    """How the precision was reduced, and what that did.

    Attributes:
        layers: Layers with weights in the graph.
        kept: Those of them (and, in FP16, other nodes) that kept a higher precision -> why.
        steps: Slope shift in degrees on the tuning pairs, before any layer was given back and after
            each that was.
        gate: What was measured of the result.
    """

    layers: Count
    kept: dict[str, str]
    steps: tuple[float, ...]
    gate: GateRecord


class GoldenRecord(_Record, frozen=True, kw_only=True):
    """A pair with the outputs it must give, to check a machine with.

    The file holds `left` and `right`, (H, W) uint8, and under each output's name the expected
    values, float32 with the batch axis, `output[:, step // 2 :: step, step // 2 :: step]`.

    Attributes:
        file: Its name in the bundle.
        step: Rows and columns from one stored value to the next.
        tolerances: Per output, the largest mean relative error allowed.
    """

    file: str
    step: Positive
    tolerances: dict[str, Annotated[float, msgspec.Meta(gt=0)]]


class FileRecord(_Record, frozen=True, kw_only=True):
    """Digest and size of a file of the bundle."""

    sha256: Sha256
    bytes: Count


class Manifest(_Record, frozen=True, kw_only=True):
    """Everything that is known of a bundle.

    Attributes:
        student: The network.
        graph: The ONNX file.
        precision: Of the weights and of the arithmetic, where a layer was not kept higher.
        target: What the graph's Q/DQ and casts were placed for.
        parity: The graph against the network.
        gate: Whether it had the accuracy an export must have.
        golden: The pair to check a machine with.
        versions: Of the software that made it.
        created: UTC.
        files: Every file except this one, by name; `write_bundle` fills it.
        calibration: What ranges were measured on; None for FP32.
        reduction: What became of the precision; None for FP32.
        format_version: Of this schema.
    """

    student: StudentRecord
    graph: GraphRecord
    precision: Precision
    target: Target
    parity: ParityRecord
    gate: Literal["passed", "failed"]
    golden: GoldenRecord
    versions: dict[str, str]
    created: UtcTime
    files: dict[str, FileRecord] = {}
    calibration: CalibrationRecord | None = None
    reduction: ReductionRecord | None = None
    format_version: int = FORMAT_VERSION


class _Version(msgspec.Struct):
    format_version: int


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(text: bytes, path: Path | str = MANIFEST_NAME) -> Manifest:
    """Read and check a manifest.

    Args:
        text: JSON, UTF-8.
        path: Named in the error.

    Raises:
        BundleError: Not JSON, of another format version, with a field that is missing, unknown or
            of the wrong type, or naming files or tensors that do not fit together.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).format_version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path}: not a bundle manifest ({error}); copy the bundle again or re-create it with "
            "lunar-export"
        ) from error
    if not _OLDEST_VERSION <= version <= FORMAT_VERSION:
        raise BundleError(
            f"{path}: format_version {version}, this runtime reads {_OLDEST_VERSION} to "
            f"{FORMAT_VERSION}; "
            + (
                "update lunar-edge"
                if version > FORMAT_VERSION
                else "re-create the bundle with lunar-export"
            )
        )
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.ValidationError as error:
        raise BundleError(f"{path}: {error}; re-create the bundle with lunar-export") from error
    problem = _contradiction(manifest)
    if problem:
        raise BundleError(f"{path}: {problem}; re-create the bundle with lunar-export")
    return manifest


def gate_warning(manifest: Manifest) -> str | None:
    """What whoever uses a bundle that failed its gate has to know; None for one that passed."""
    if manifest.gate == "passed":
        return None
    reasons = manifest.reduction.gate.failures if manifest.reduction else ()
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"it did not pass the accuracy gate of its export{why}"


def check_file_name(name: str) -> str | None:
    """Why `name` may not name a file of a bundle; None if it may.

    Names are relative, use `/`, and stay inside the bundle.
    """
    path = PurePosixPath(name)
    if name in ("", ".") or "\\" in name or "\0" in name or path.is_absolute() or str(path) != name:
        return "not a plain relative path"
    if ".." in path.parts or ":" in name:
        return "leads out of the bundle"
    if name == MANIFEST_NAME:
        return "the manifest cannot list itself"
    return None


def _contradiction(manifest: Manifest) -> str | None:
    for name in (*manifest.files, manifest.graph.file, manifest.golden.file):
        problem = check_file_name(name)
        if problem:
            return f"file name {name!r}: {problem}"
    for name in (manifest.graph.file, manifest.golden.file):
        if name not in manifest.files:
            return f"{name} is not in `files`"
    graph = manifest.graph
    size = (graph.height, graph.width)
    images = {i.name: (i.shape, i.dtype) for i in graph.inputs}
    if images != dict.fromkeys(("left", "right"), ((1, 1, *size), "uint8")):
        return f"inputs must be left and right, uint8 (1, 1, {size[0]}, {size[1]})"
    names = tuple(o.name for o in graph.outputs)
    if sorted(names) != sorted(OUTPUT_NAMES[graph.output_set]):
        return f"outputs {', '.join(names)} are not those of output_set {graph.output_set!r}"
    for output in graph.outputs:
        if output.shape[:3] != (1, *size) or output.dtype != "float32":
            return f"output {output.name} must be float32 (1, {size[0]}, {size[1]}, …)"
        if len(output.shape) != (3 if "confidence" in output.name else 4):
            return f"output {output.name} has {len(output.shape)} dimensions"
        if output.name.startswith("pointmap") and output.shape[3] != 3:
            return f"output {output.name} must have 3 coordinates"
    if manifest.precision == "int8" and manifest.calibration is None:
        return "precision int8 without calibration"
    if "pointmap_left" not in manifest.golden.tolerances:
        return "golden.tolerances lacks pointmap_left"
    unknown = (set(manifest.golden.tolerances) | set(manifest.parity.outputs)) - set(names)
    if unknown:
        return f"golden or parity names {', '.join(sorted(unknown))}, which the graph lacks"
    return None
