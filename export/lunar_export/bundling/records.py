"""What a manifest says of a network and its graph."""

from __future__ import annotations

import importlib.metadata
import io
import platform
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import onnx
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.bundles.manifest import GraphRecord, StudentRecord, TensorRecord
from lunar_runtime.errors import CheckpointError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.version import __version__
from lunar_student import Outputs, Student

from lunar_export.graph.model_file import MODEL_NAME
from lunar_export.judging.pairs import EvaluationPair

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


def graph_record(model: onnx.ModelProto, outputs: Outputs, height: int, width: int) -> GraphRecord:
    """Describe a graph."""
    names = OUTPUT_NAMES[outputs.value]
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in model.graph.output
    }
    return GraphRecord(
        file=MODEL_NAME,
        opset=opset(model),
        output_set=outputs.value,
        height=height,
        width=width,
        inputs=tuple(
            TensorRecord(
                name=view,
                shape=(1, 1, height, width),
                dtype="uint8",
                unit="grey level",
                frame=f"{view} image",
            )
            for view in ("left", "right")
        ),
        outputs=tuple(_output_record(name, shapes[name]) for name in names),
    )


def opset(model: onnx.ModelProto) -> int:
    """Version of the default domain."""
    return int(next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")))


def _output_record(name: str, shape: tuple[int, ...]) -> TensorRecord:
    points = name.startswith("pointmap")
    return TensorRecord(
        name=name,
        shape=shape,
        dtype="float32",
        unit="network unit" if points else "1",
        frame="left camera" if points else f"{name.rpartition('_')[2]} image",
    )


def golden_file(pair: EvaluationPair, outputs: Mapping[str, np.ndarray]) -> bytes:
    """A pair with the outputs it must give, thinned out."""
    start, step = GOLDEN_STEP // 2, GOLDEN_STEP
    arrays = {name: values[:, start::step, start::step] for name, values in outputs.items()}
    content = io.BytesIO()
    np.savez_compressed(content, left=pair.left, right=pair.right, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def versions(simplifier: str) -> dict[str, str]:
    """Of everything that had a hand in a bundle."""
    packages = ("torch", "onnx", "onnxscript", "onnxsim", "onnxruntime", "numpy")
    return {
        "lunar-edge": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
        "simplifier": simplifier,
    }
