"""Integer kernels of ONNX Runtime's CPU provider that its own optimiser does not reach.

It turns a matrix product and the addition of its bias into a float Gemm before it looks at Q/DQ, so
that most of a transformer's products would be computed in float from dequantised weights; and it
dequantises what goes into a Resize or a Relu. They are written here as what they should become.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lunar_export.graph.graph_edit import GraphEdit, attribute
from lunar_export.graph.opset import MICROSOFT
from lunar_export.lowering.qdq import neighbour_sums
from lunar_export.lowering.thresholds import LEVELS


def use_integer_kernels(model: onnx.ModelProto) -> None:
    """Rewrite a graph with Q/DQ in place. It computes the same, up to the order of float32 sums."""
    edit = GraphEdit(model)
    for node in edit.nodes:
        if node.op_type == "MatMul":
            _fuse_product(edit, node)
        elif node.op_type == "Resize":
            _resize_integers(edit, node)
        elif node.op_type == "Relu":
            _look_up(edit, node)
        elif node.op_type == "Conv":
            _multiply_twice(edit, node)
    edit.finish()


def _fuse_product(edit: GraphEdit, product: onnx.NodeProto) -> None:
    data, weight = (edit.maker(name, "DequantizeLinear") for name in product.input)
    if data is None or weight is None or edit.constant(weight.input[0]) is None:
        return
    inputs = [part.input[i] for i in range(3) for part in (data, weight)]
    output, place = product.output[0], product
    if edit.used_once(output):
        reader = edit.readers(output)[0]
        if reader.op_type == "Add" and edit.is_vector(reader.input[1]):
            inputs.append(reader.input[1])
            output, place = reader.output[0], reader
            edit.replace(product, [])
    fused = helper.make_node(
        "MatMulIntegerToFloat", inputs, [output], product.name, domain=MICROSOFT
    )
    edit.replace(place, [fused])


def _multiply_twice(edit: GraphEdit, convolution: onnx.NodeProto) -> None:
    """A float 1×1 convolution of integers, its channels then moved last: the pointmap's own layer.

    Its weights become two int8 terms, of which the second has steps 127 times as fine: 14 bits are
    as good as float here, and the largest map is not written as float32 twice.
    """
    data = edit.maker(convolution.input[0], "DequantizeLinear")
    weight = edit.constant(convolution.input[1])
    bias = edit.constant(convolution.input[2]) if len(convolution.input) > 2 else None
    if data is None or weight is None or bias is None or not edit.used_once(convolution.output[0]):
        return
    moved = edit.readers(convolution.output[0])[0]
    plain = all(attribute(convolution, name, [1, 1]) == [1, 1] for name in ("strides", "dilations"))
    if moved.op_type != "Transpose" or attribute(moved, "perm") != [0, 2, 3, 1]:
        return
    if not plain or weight.shape[2:] != (1, 1) or attribute(convolution, "group", 1) != 1:
        return
    columns = weight[:, :, 0, 0].T.astype(np.float64)  # (in, out)
    coarse = neighbour_sums(columns, 1) / LEVELS
    coarse[coarse == 0] = 1.0
    fine = coarse / LEVELS
    high = np.rint(columns / coarse)
    low = np.rint((columns - high * coarse) / fine)
    name = convolution.name
    constants = [
        edit.add_constant(f"{name}/{label}", values)
        for label, values in (
            ("integer", np.hstack([high, low]).astype(np.int8)),
            ("scales", np.hstack([coarse, fine]).astype(np.float32)),
            ("zeros", np.zeros(2 * len(coarse), np.int8)),
            ("bias", np.hstack([bias, np.zeros_like(bias)])),
        )
    ]
    integer, scales, zeros, both = constants
    stored, scale, zero = data.input
    inputs = [f"{name}/last", integer, scale, scales, zero, zeros, both]
    terms = [f"{name}/high", f"{name}/low"]
    nodes = [
        helper.make_node(
            "Transpose", [stored], [inputs[0]], f"{name}/Transpose", perm=[0, 2, 3, 1]
        ),
        helper.make_node("MatMulIntegerToFloat", inputs, [f"{name}/terms"], name, domain=MICROSOFT),
        helper.make_node("Split", [f"{name}/terms"], terms, f"{name}/Split", axis=3, num_outputs=2),
        helper.make_node("Add", terms, moved.output, f"{name}/Add"),
    ]
    edit.replace(convolution, [])
    edit.replace(moved, nodes)


def _resize_integers(edit: GraphEdit, resize: onnx.NodeProto) -> None:
    """Interpolation stays between its inputs, so the result has their scale and zero-point."""
    data = edit.maker(resize.input[0], "DequantizeLinear")
    readers = edit.readers(resize.output[0])
    if data is None or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return
    reader = readers[0]
    if any(
        _value(edit, mine) != _value(edit, its)
        for mine, its in zip(reader.input[1:], data.input[1:], strict=True)
    ):
        return
    inputs = [data.input[0], *resize.input[1:]]
    integers = helper.make_node("Resize", inputs, reader.output, resize.name)
    integers.attribute.extend(resize.attribute)
    edit.replace(resize, [integers])
    edit.replace(reader, [])


def _look_up(edit: GraphEdit, relu: onnx.NodeProto) -> None:
    """From integers to integers a Relu is a table; a leaky one that leaks nothing has a kernel."""
    data = edit.maker(relu.input[0], "DequantizeLinear")
    readers = edit.readers(relu.output[0])
    if data is None or len(readers) != 1 or readers[0].op_type != "QuantizeLinear":
        return
    table = helper.make_node(
        "QLinearLeakyRelu",
        [*data.input, *readers[0].input[1:]],
        readers[0].output,
        relu.name,
        domain=MICROSOFT,
        alpha=0.0,
    )
    edit.replace(relu, [table])
    edit.replace(readers[0], [])


def _value(edit: GraphEdit, name: str) -> float | None:
    values = edit.constant(name)
    return None if values is None or values.size != 1 else float(values.reshape(()))
