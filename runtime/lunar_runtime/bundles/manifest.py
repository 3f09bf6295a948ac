"""The manifest of a bundle: what the model is, how it was made, and how good it is.

The schema lives in the runtime because the runtime is what must be able to refuse. An exporter
builds these records; `bundles.manifest_file` writes and reads them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from lunar_runtime.bundles.choices import Arithmetic, OutputSet, Precision, Target

#: Of this schema. Version 1 lacked `reduction` and reads the same. Version 3 brought the target
#: `openvino`, the precision `bf16`, `arithmetic`, `weight_ranges`, and the checksum at the end.
#: Version 4 brought networks in two graphs, version 5 `activation_ranges`. A bundle is written in
#: the oldest version that can say what it is.
FORMAT_VERSION = 5
TWO_GRAPHS_VERSION = 4
ONE_GRAPH_VERSION = 3
OLDEST_SEALED_VERSION = 3
OLDEST_FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
#: What comes into a bundle after its manifest, and is not in it: who signed the manifest, and what
#: was compiled on the target.
SIGNATURES_NAME = "signatures.json"
ENGINES_NAME = "engines"

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


class EncoderRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """The ONNX file that sees one image, where a network is in two graphs.

    Attributes:
        file: Its name in the bundle.
        opset: Of the default ONNX domain.
        image: Its input.
        features: Its outputs.
        taken: Inputs of the other graph, the decoder: features of the left and of the right view,
            by the feature's name and `_left` or `_right`.
        activation_ranges: As of `GraphRecord`.
    """

    file: str
    opset: Positive
    image: TensorRecord
    features: tuple[TensorRecord, ...]
    taken: tuple[TensorRecord, ...]
    activation_ranges: dict[str, tuple[float, float]] = {}


class GraphRecord(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """The network's graph, or its two.

    Attributes:
        file: Name of the ONNX file in the bundle; of the decoder's where there are two.
        opset: Of the default ONNX domain, in that file.
        output_set: Which outputs it has; see `OUTPUT_NAMES`.
        height: Rows of the input, in pixels.
        width: Columns of the input, in pixels.
        inputs: `left` and `right`.
        outputs: In the order of `OUTPUT_NAMES[output_set]`.
        arithmetic: What OpenVINO computes in wherever the graph says float32; left out where that
            is float32.
        encoder: The graph that sees one image; None, and left out, where there is one graph.
        activation_ranges: Least and largest value that calibration pairs have at cut points of the
            graph, by the tensor's name; left out where none were measured.
    """

    file: str
    opset: Positive
    output_set: OutputSet
    height: Positive
    width: Positive
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    arithmetic: Arithmetic = "f32"
    encoder: EncoderRecord | None = None
    activation_ranges: dict[str, tuple[float, float]] = {}


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
    """How far one output is from the reference; see `bundles.parity.relative_error`.

    Attributes:
        max_relative_error: Of the worst value.
        mean_relative_error: Over all values.
    """

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
        layers: How many could be lowered: layers with weights; for OpenVINO also attentions.
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
    """A file, so that it can be recognised.

    Attributes:
        sha256: Of its content.
        bytes: Its size.
    """

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
        weight_ranges: Least and largest value of every floating-point weight, by its name in the
            graph, and by `FILE:NAME` where there are two; `write_bundle` fills it. Bundles of
            before it have none.
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
    weight_ranges: dict[str, tuple[float, float]] = {}
    format_version: int = ONE_GRAPH_VERSION
