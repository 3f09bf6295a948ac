"""The plane's bundle in two graphs: the encoder gives an image's grey / 255."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.bundles.manifest import EncoderRecord, Manifest, TensorRecord
from onnx import TensorProto, helper, numpy_helper

from .images import SIZE
from .plane_bundle import OPSET, golden_bytes, plane_manifest
from .plane_scene import plane_outputs, plane_scene

IMAGE = (1, 1, SIZE, SIZE)


def split_plane_manifest(output_set: OutputSet = "both") -> Manifest:
    manifest = plane_manifest(output_set)
    encoder = EncoderRecord(
        file="encoder.onnx",
        opset=OPSET,
        image=_tensor("image", "uint8"),
        features=(_tensor("tokens"),),
        taken=(_tensor("tokens_left"), _tensor("tokens_right")),
    )
    graph = msgspec.structs.replace(manifest.graph, file="decoder.onnx", encoder=encoder)
    return msgspec.structs.replace(manifest, graph=graph, format_version=4)


def split_plane_files(output_set: OutputSet = "both") -> dict[str, bytes]:
    return {
        "encoder.onnx": _encoder().SerializeToString(),
        "decoder.onnx": _decoder(output_set).SerializeToString(),
        "golden.npz": golden_bytes(plane_outputs(plane_scene(), output_set)),
    }


def write_split_plane(folder: Path, output_set: OutputSet = "both") -> Path:
    files: dict[str, Path | bytes] = {**split_plane_files(output_set)}
    return write_bundle(folder, split_plane_manifest(output_set), files).path


def _encoder() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["levels", "per_level"], ["tokens"]),
    ]
    weights = [numpy_helper.from_array(np.float32(1 / 255), "per_level")]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, IMAGE)
    return _model(nodes, [image], {"tokens": IMAGE}, weights)


def _decoder(output_set: OutputSet) -> onnx.ModelProto:
    constants = plane_outputs(plane_scene(), output_set)
    weights = [numpy_helper.from_array(np.array([1], np.int64), "channel")]
    nodes = [
        helper.make_node("Squeeze", [f"tokens_{side}", "channel"], [f"{side}_unit"])
        for side in ("left", "right")
    ]
    for name, values in constants.items():
        weights.append(numpy_helper.from_array(values, f"{name}_constant"))
        if name.startswith("confidence"):
            side = name.removeprefix("confidence_")
            nodes.append(helper.make_node("Add", [f"{name}_constant", f"{side}_unit"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}_constant"], [name]))
    tokens = [
        helper.make_tensor_value_info(f"tokens_{side}", TensorProto.FLOAT, IMAGE)
        for side in ("left", "right")
    ]
    shapes = {name: values.shape for name, values in constants.items()}
    return _model(nodes, tokens, shapes, weights)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: dict[str, tuple[int, ...]],
    weights: list[onnx.TensorProto],
) -> onnx.ModelProto:
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in outputs.items()
    ]
    graph = helper.make_graph(nodes, "part", inputs, given, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9  # ONNX Runtime 1.18 reads up to 10
    return model


def _tensor(name: str, dtype: str = "float32") -> TensorRecord:
    return TensorRecord(name=name, shape=IMAGE, dtype=dtype, unit="1", frame="its own image")
