"""A graph that also gives what is to be measured of its activations."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from lunar_export.graph.model_file import write_model

# The added outputs are named after what they hold and of which tensor.
LOW, HIGH, MEAN = "low of ", "high of ", "means of "
_MARKS = (LOW, HIGH, MEAN)


def measured_tensor(output: str) -> str:
    """The tensor that an output of an instrumented graph is about."""
    return next((output.removeprefix(m) for m in _MARKS if output.startswith(m)), output)


def with_values(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy of a graph that gives these tensors and nothing else."""
    changed = copy.deepcopy(model)
    own = [value for value in changed.graph.output if value.name in tensors]
    del changed.graph.output[:]
    changed.graph.output.extend(own)
    given = {value.name for value in own}
    _add_outputs(changed, [name for name in tensors if name not in given])
    return changed


def add_statistics(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], channels: Collection[str]
) -> None:
    """Let a graph give the extremes of its activations and the channel means of some, in place.

    Args:
        model: The graph.
        shapes: Of every tensor whose extremes are wanted.
        channels: Those of them whose channel means are wanted too, where a layer reads them.
    """
    axes = _channel_axes(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        # Right behind what they measure, and run in this order: else everything is kept until the
        # end (S2 at 512 px: 9.4 GB instead of 2.6).
        for name in shapes.keys() & set(node.output):
            nodes += _extremes(name)
            if name in channels and name in axes:
                nodes.append(_channel_means(model.graph, name, axes[name], len(shapes[name])))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _add_outputs(model, [n for node in nodes for n in node.output if n.startswith(_MARKS)])


def open_session(
    model: onnx.ModelProto, work: Path, threads: int | None
) -> onnxruntime.InferenceSession:
    """Load an instrumented graph so that it holds no more activations than it must.

    Args:
        model: The graph.
        work: A folder for a file that is deleted again.
        threads: Of the processor; None is one per core.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.intra_op_num_threads = threads or 0
    with tempfile.TemporaryDirectory(dir=work) as folder:
        path = write_model(model, Path(folder), check=False)["model.onnx"]
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _add_outputs(model: onnx.ModelProto, names: Sequence[str]) -> None:
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _channel_axes(model: onnx.ModelProto) -> dict[str, int]:
    """Which axis of an activation a layer sums over: 1 of an image, the last of tokens."""
    return {
        node.input[0]: 1 if node.op_type.startswith("Conv") else -1
        for node in model.graph.node
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm")
    }


def _extremes(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node(kind, [name], [output], name=output, keepdims=0)
        for kind, output in (("ReduceMin", LOW + name), ("ReduceMax", HIGH + name))
    ]


def _channel_means(graph: onnx.GraphProto, name: str, axis: int, rank: int) -> onnx.NodeProto:
    others = np.array([i for i in range(rank) if i != axis % rank], np.int64)
    constant, output = f"axes of {name}", MEAN + name
    graph.initializer.append(numpy_helper.from_array(others, constant))
    return helper.make_node("ReduceMean", [name, constant], [output], name=output, keepdims=0)
