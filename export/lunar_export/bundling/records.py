"""What a manifest says of a network, its graph and what was measured of it."""

from __future__ import annotations

import importlib.metadata
import io
import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import onnx
from lunar_runtime.bundles.choices import OUTPUT_NAMES, Arithmetic, Target
from lunar_runtime.bundles.manifest import (
    CalibrationRecord,
    EncoderRecord,
    GraphRecord,
    ReductionRecord,
    StudentRecord,
    TensorRecord,
)
from lunar_runtime.bundles.parts import DECODER_NAME, ENCODER_NAME
from lunar_runtime.bundles.ranges import Range
from lunar_runtime.errors import CheckpointError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.version import __version__
from lunar_student import Student

from lunar_export.bundling.activation_ranges import ActivationRanges
from lunar_export.graph.model_file import MODEL_NAME
from lunar_export.graph.opset import default_opset
from lunar_export.graph.traced import Traced
from lunar_export.judging.judged import Judged
from lunar_export.judging.reference import Reference
from lunar_export.judging.search import Found
from lunar_export.lowering.placement import placeable
from lunar_export.pairs.calibration import Calibration

GOLDEN_STEP = 8


def student_record(student: Student, checkpoint: Path | str | None) -> StudentRecord:
    """Describe a network.

    Raises:
        CheckpointError: `checkpoint` cannot be read.
    """
    config = student.config
    try:
        digest = None if checkpoint is None else sha256_of(checkpoint)
    except OSError as error:
        raise CheckpointError(
            f"{checkpoint}: cannot be read ({(error.strerror or str(error)).lower()}); check the "
            "path and its permissions"
        ) from error
    return StudentRecord(
        id=config.id if digest else f"{config.id}-untrained",
        parameters=sum(parameter.numel() for parameter in student.parameters()),
        checkpoint_sha256=digest,
        config=msgspec.to_builtins(config),
    )


def graph_record(
    traced: Traced, opset: int, arithmetic: Arithmetic, activations: ActivationRanges
) -> GraphRecord:
    """Describe a graph: traced, and perhaps lowered to another opset since."""
    shapes = {value.name: _shape(value) for value in traced.model.graph.output}
    return GraphRecord(
        file=MODEL_NAME if traced.encoder is None else DECODER_NAME,
        opset=opset,
        output_set=traced.outputs,
        height=traced.height,
        width=traced.width,
        inputs=tuple(
            TensorRecord(
                name=view,
                shape=(1, 1, traced.height, traced.width),
                dtype="uint8",
                unit="grey level",
                frame=f"{view} image",
            )
            for view in ("left", "right")
        ),
        outputs=tuple(_output_record(name, shapes[name]) for name in OUTPUT_NAMES[traced.outputs]),
        arithmetic=arithmetic,
        encoder=None
        if traced.encoder is None
        else _encoder_record(traced.encoder, traced.model, activations.encoder),
        activation_ranges=dict(activations.model),
    )


def calibration_record(calibration: Calibration, found: Found) -> CalibrationRecord:
    """Describe what ranges were measured on, and how INT8 clips them."""
    return CalibrationRecord(
        digest=calibration.digest,
        count=len(calibration.pairs),
        method=found.recipe.method,
        source=calibration.source,
        tried=found.tried,
    )


def reduction_record(traced: Traced, judged: Judged) -> ReductionRecord | None:
    """Describe how the precision was lowered; None where it was not."""
    if judged.lowering is None:
        return None
    found = judged.lowering.found
    return ReductionRecord(
        layers=len(placeable(traced.model, found.recipe.target)),
        kept=found.trial.lowered.kept,
        steps=found.steps,
        gate=judged.lowering.gate,
    )


def golden_file(reference: Reference) -> bytes:
    """The first pair with the outputs it must give, thinned out."""
    pair, outputs = reference.pairs[0], reference.outputs[0]
    start, step = GOLDEN_STEP // 2, GOLDEN_STEP
    arrays = {name: values[:, start::step, start::step] for name, values in outputs.items()}
    content = io.BytesIO()
    np.savez_compressed(content, left=pair.left, right=pair.right, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def versions(simplifier: str, target: Target) -> dict[str, str]:
    """Of everything that had a hand in a bundle."""
    packages = ["torch", "onnx", "onnxscript", "onnxsim", "onnxruntime", "numpy"]
    if target == "openvino":
        packages.append("openvino")
    return {
        "lunar-edge": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        "simplifier": simplifier,
    }


def provenance(student: StudentRecord, traced: Traced, target: Target) -> dict[str, str]:
    """What a graph says of its origin, name -> text; the manifest says the same at more length."""
    said = {
        "student": student.id,
        "target": f"{target}, any processor",
        "export_environment": ", ".join(
            f"{name} {version}" for name, version in versions(traced.simplifier, target).items()
        ),
    }
    if student.checkpoint_sha256 is not None:
        said["checkpoint_sha256"] = student.checkpoint_sha256
    return said


def _encoder_record(
    encoder: onnx.ModelProto, decoder: onnx.ModelProto, ranges: Mapping[str, Range]
) -> EncoderRecord:
    (image,) = encoder.graph.input
    return EncoderRecord(
        file=ENCODER_NAME,
        opset=default_opset(encoder),
        image=TensorRecord(
            name=image.name,
            shape=_shape(image),
            dtype="uint8",
            unit="grey level",
            frame="its own image",
        ),
        features=tuple(_feature_record(value) for value in encoder.graph.output),
        taken=tuple(_feature_record(value) for value in decoder.graph.input),
        activation_ranges=dict(ranges),
    )


def _feature_record(value: onnx.ValueInfoProto) -> TensorRecord:
    return TensorRecord(
        name=value.name, shape=_shape(value), dtype="float32", unit="1", frame="its own image"
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _output_record(name: str, shape: tuple[int, ...]) -> TensorRecord:
    points = name.startswith("pointmap")
    return TensorRecord(
        name=name,
        shape=shape,
        dtype="float32",
        unit="network unit" if points else "1",
        frame="left camera" if points else f"{name.rpartition('_')[2]} image",
    )
