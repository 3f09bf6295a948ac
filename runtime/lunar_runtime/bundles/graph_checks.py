"""Is the graph what the manifest says? A false manifest is refused, whoever signed it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import GraphRecord, Manifest, TensorRecord
from lunar_runtime.bundles.onnx_file import OnnxFile, TensorType, Weight

_QUANTIZED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul",
              "MatMulInteger", "ConvInteger", "MatMulIntegerToFloat",
              "DynamicQuantizeMatMul")  # fmt: skip
_INTEGERS = ("int8", "uint8")
_HALVES = ("float16", "bfloat16")
# A graph holds tables that are no parameters: positions, rotations, rays. And with the left outputs
# alone it lacks half of a decoder and a head. Of five students and two precisions, 32 to 512 px:
# 0.43 to 1.10 values a parameter, and tables of at most 30 values an input pixel.
FEWEST, _MOST = 0.2, 1.5
_TABLES_PER_PIXEL = 100


def graph_contradiction(graph: OnnxFile, manifest: Manifest, *, whole: bool = True) -> str | None:
    """What in an ONNX file is not as its manifest says, in words; None where all of it is.

    Args:
        graph: As read.
        manifest: Of the bundle, or of the part that the graph is.
        whole: Whether the graph is the whole network.
    """
    record = manifest.graph
    return (
        _of_tensors("input", graph.inputs, record.inputs)
        or _of_tensors("output", graph.outputs, record.outputs)
        or _of_opset(graph, record)
        or _of_precision(graph, manifest.precision)
        or _of_size(graph, manifest, whole)
        or _of_files(graph, manifest)
    )


def external_weights(graph: OnnxFile, files: dict[str, bytes]) -> dict[str, NDArray[np.generic]]:
    """The weights that are in other files, as views of their bytes.

    Args:
        graph: That refers to them; `graph_contradiction` found nothing.
        files: Content of every file that it names.

    Raises:
        ValueError: A weight is not where the graph says.
    """
    return {
        weight.name: _values(weight, files[weight.place.file])
        for weight in graph.weights
        if weight.place is not None
    }


def _of_tensors(
    kind: str, found: dict[str, TensorType], records: tuple[TensorRecord, ...]
) -> str | None:
    for record in records:
        there = found.get(record.name)
        if there is None:
            return f"the graph has no {kind} {record.name}"
        if there != (record.dtype, record.shape):
            return (
                f"{kind} {record.name} is {there.dtype} {there.shape}, not {record.dtype} "
                f"{record.shape} as the manifest says"
            )
    unknown = set(found) - {record.name for record in records}
    return f"the manifest does not know {kind} {min(unknown)}" if unknown else None


def _of_opset(graph: OnnxFile, record: GraphRecord) -> str | None:
    found = graph.opsets.get("")
    if found != record.opset:
        return f"the graph is of opset {found}, not {record.opset} as the manifest says"
    return None


def _of_precision(graph: OnnxFile, precision: str) -> str | None:
    quantized = any(graph.operators[name] for name in _QUANTIZED)
    halves = any(graph.values[name] for name in _HALVES)
    if precision == "int8":
        right = quantized and any(graph.values[name] for name in _INTEGERS)
    elif precision == "fp16":
        right = halves and not quantized
    else:  # bf16 is OpenVINO's arithmetic on a graph of float32
        right = not halves and not quantized
    return None if right else f"the graph is not {precision} as the manifest says"


def _of_size(graph: OnnxFile, manifest: Manifest, whole: bool) -> str | None:
    parameters = manifest.student.parameters
    values = sum(count for dtype, count in graph.values.items() if dtype != "int64")
    tables = _TABLES_PER_PIXEL * manifest.graph.height * manifest.graph.width
    fewest = FEWEST * parameters if whole else 1  # of the parts together: `checks`, by their files
    if not fewest <= values <= _MOST * parameters + tables:
        return f"the graph holds {values} values, which is no network of {parameters} parameters"
    return None


def _of_files(graph: OnnxFile, manifest: Manifest) -> str | None:
    for weight in graph.weights:
        if weight.place is None:
            continue
        if weight.place.file not in manifest.files:
            return f"weight {weight.name} is in {weight.place.file!r}, which is not in `files`"
        if weight.place.file == manifest.graph.file:
            return f"weight {weight.name} is in the graph's own file"
    return None


def _values(weight: Weight, content: bytes) -> NDArray[np.generic]:
    place = weight.place
    assert place is not None
    try:
        dtype = np.dtype(weight.dtype)
    except TypeError as error:
        raise ValueError(f"weight {weight.name} is {weight.dtype}") from error
    count = math.prod(weight.shape)
    size = count * dtype.itemsize
    if place.bytes not in (None, size) or place.offset + size > len(content):
        raise ValueError(f"weight {weight.name} is not where the graph says")
    return np.frombuffer(content, dtype, count, place.offset).reshape(weight.shape)
