"""Real bundles whose network is the tilted plane of `plane_scene`.

The graph is made of ordinary ONNX operators and runs in ONNX Runtime like any other; what it must
give is known in closed form. Confidence is 1 + grey / 255, so that the images do reach it.
"""

from __future__ import annotations

import io
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_runtime.bundles.manifest import (
    GateRecord,
    GoldenRecord,
    GraphRecord,
    Manifest,
    OutputParity,
    ParityRecord,
    StudentRecord,
    TensorRecord,
)
from onnx import TensorProto, helper, numpy_helper

from .images import SIZE, texture
from .plane_scene import Outputs, plane_outputs, plane_scene

OPSET = 18


def plane_model(constants: Outputs) -> onnx.ModelProto:
    """Outputs are the constants; to confidences, the image's grey / 255 is added."""
    nodes, initializers = [], [numpy_helper.from_array(np.float32(1 / 255), "per_level")]
    initializers.append(numpy_helper.from_array(np.array([1], np.int64), "channel"))
    for side in ("left", "right"):
        nodes += [
            helper.make_node("Cast", [side], [f"{side}_float"], to=TensorProto.FLOAT),
            helper.make_node("Squeeze", [f"{side}_float", "channel"], [f"{side}_grey"]),
            helper.make_node("Mul", [f"{side}_grey", "per_level"], [f"{side}_unit"]),
        ]
    for name, values in constants.items():
        if np.isfinite(values).all():
            initializers.append(numpy_helper.from_array(values, f"{name}_constant"))
        else:  # no weight is NaN or infinite: they come of a division by 0
            finite = np.isfinite(values)
            above = np.where(finite, values, np.where(np.isnan(values), 0, np.sign(values)))
            parts = {f"{name}_above": above, f"{name}_below": finite}
            initializers += [
                numpy_helper.from_array(part.astype(np.float32), part_name)
                for part_name, part in parts.items()
            ]
            nodes.append(helper.make_node("Div", list(parts), [f"{name}_constant"]))
        if name.startswith("confidence"):
            side = name.removeprefix("confidence_")
            nodes.append(helper.make_node("Add", [f"{name}_constant", f"{side}_unit"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}_constant"], [name]))
    graph = helper.make_graph(
        nodes,
        "plane",
        [
            helper.make_tensor_value_info(side, TensorProto.UINT8, (1, 1, SIZE, SIZE))
            for side in ("left", "right")
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, values.shape)
            for name, values in constants.items()
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9  # ONNX Runtime 1.18 reads up to 10
    onnx.checker.check_model(model)
    return model


def plane_manifest(output_set: OutputSet, **changes: Any) -> Manifest:
    shapes = {
        name: (
            1,
            SIZE,
            SIZE,
            *(3,) * name.startswith("point"),
            *(24,) * name.startswith("descriptors"),
        )
        for name in OUTPUT_NAMES[output_set]
    }
    fields: dict[str, Any] = {
        "student": StudentRecord(id="plane", parameters=1, checkpoint_sha256=None, config={}),
        "graph": GraphRecord(
            file="model.onnx",
            opset=OPSET,
            output_set=output_set,
            height=SIZE,
            width=SIZE,
            inputs=tuple(
                TensorRecord(
                    name=side,
                    shape=(1, 1, SIZE, SIZE),
                    dtype="uint8",
                    unit="grey level",
                    frame=f"{side} image",
                )
                for side in ("left", "right")
            ),
            outputs=tuple(
                TensorRecord(
                    name=name,
                    shape=shape,
                    dtype="float32",
                    unit="network unit" if name.startswith("point") else "1",
                    frame="left camera",
                )
                for name, shape in shapes.items()
            ),
        ),
        "precision": "fp32",
        "target": "cpu",
        "parity": ParityRecord(
            reference="closed form",
            pairs=1,
            pairs_source="texture",
            tolerance=1e-5,
            outputs={
                name: OutputParity(max_relative_error=0.0, mean_relative_error=0.0)
                for name in shapes
            },
        ),
        "gate": "passed",
        "golden": GoldenRecord(
            file="golden.npz", step=4, tolerances=dict.fromkeys(OUTPUT_NAMES[output_set], 1e-5)
        ),
        "versions": {"onnx": onnx.__version__},
        "created": datetime(2025, 1, 1, tzinfo=timezone.utc),
    }
    return Manifest(**{**fields, **changes})


def golden_bytes(constants: Outputs) -> bytes:
    images: dict[str, Any] = {"left": texture(1), "right": texture(2)}
    stored = dict(constants)
    for side, image in images.items():
        if f"confidence_{side}" in stored:
            stored[f"confidence_{side}"] = stored[f"confidence_{side}"] + image / np.float32(255)
    stream = io.BytesIO()
    arrays: dict[str, Any] = {name: values[:, 2::4, 2::4] for name, values in stored.items()}
    np.savez(stream, **images, **arrays)
    return stream.getvalue()


def write_plane_bundle(
    folder: Path,
    output_set: OutputSet = "both",
    constants: Outputs | None = None,
    expected: Outputs | None = None,
) -> Path:
    """A bundle whose graph gives `constants`, and whose golden pair expects `expected`."""
    constants = constants or plane_outputs(plane_scene(), output_set)
    model = plane_model(constants).SerializeToString()
    files = {"model.onnx": model, "golden.npz": golden_bytes(expected or constants)}
    return write_bundle(folder, plane_manifest(output_set), files).path


def gate_record(*failures: str) -> GateRecord:
    """A gate's record with these failures."""
    return GateRecord(
        pairs=2,
        pairs_source="texture",
        slope_shift_deg=0.9,
        slope_shift_limit_deg=0.5,
        slope_mae_deg=None,
        fp32_slope_mae_deg=None,
        miss={"10": None},
        fp32_miss={"10": 0.25},
        miss_increase_limit=0.005,
        max_relative_error=0.1,
        not_finite=0,
        latency_ratio=1.1,
        latency="onnxruntime on cpu",
        fp32_bytes=400,
        bytes=100,
        failures=failures,
    )
