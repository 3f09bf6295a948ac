"""FLOPs and bytes against graphs that can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from lunar_bench.cost.arithmetic.graph import part_of_name, read_graph
from lunar_bench.cost.arithmetic.part_times import parts_of_profile
from lunar_runtime import Bundle, default_bundle_path
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .command_line import run

Shapes: TypeAlias = dict[str, list[int]]
Save: TypeAlias = Callable[[list[onnx.NodeProto], Shapes, Shapes, dict[str, NDArray[Any]]], Path]


@pytest.fixture
def saved(tmp_path: Path) -> Save:
    def save(
        nodes: list[onnx.NodeProto],
        inputs: Shapes,
        outputs: Shapes,
        constants: dict[str, NDArray[Any]],
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "made",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
            [numpy_helper.from_array(a, n) for n, a in constants.items()],
        )
        opset = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opset), tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return save


def test_a_convolution_and_a_matrix_product_are_counted_to_their_parts(saved: Save) -> None:
    weight, matrix = np.zeros((8, 3, 3, 3), np.float32), np.zeros((20, 5), np.float32)
    path = saved(
        [
            helper.make_node("Conv", ["x", "w"], ["y"], name="tiny_enc.stem/Conv", pads=[1] * 4),
            helper.make_node("Relu", ["y"], ["z"], name="graph/Relu"),
            helper.make_node("MatMul", ["z", "m"], ["out"], name="dec_blocks.0.fc/MatMul"),
        ],
        {"x": [1, 3, 10, 20]},
        {"out": [1, 8, 10, 5]},
        {"w": weight, "m": matrix},
    )
    costs = read_graph(path).costs
    encoder, decoder = costs["encoder"], costs["decoder"]
    # Each of 8 x 10 x 20 outputs is a sum of 27 products.
    assert encoder.flops == 2 * 27 * 8 * 10 * 20
    assert encoder.weight_bytes == weight.nbytes
    # x read, y written; y read, z written, by a ReLU that belongs to what feeds it.
    assert encoder.activation_bytes == 4 * (600 + 1600 + 1600 + 1600)
    assert decoder.flops == 2 * 20 * (8 * 10 * 5)
    assert decoder.weight_bytes == matrix.nbytes
    assert decoder.activation_bytes == 4 * (1600 + 400)
    assert costs.keys() == {"encoder", "decoder"}


def test_grouped_and_transposed_convolutions_and_gemm(saved: Save) -> None:
    path = saved(
        [
            helper.make_node("Conv", ["x", "w"], ["y"], name="a", group=4, pads=[1] * 4),
            helper.make_node("ConvTranspose", ["y", "t"], ["z"], name="b", strides=[2, 2]),
            helper.make_node("Flatten", ["z"], ["f"], name="c"),
            helper.make_node("Gemm", ["f", "g"], ["out"], name="d", transB=1),
        ],
        {"x": [1, 4, 6, 6]},
        {"out": [1, 7]},
        {
            "w": np.zeros((4, 1, 3, 3), np.float32),
            "t": np.zeros((4, 2, 2, 2), np.float32),
            "g": np.zeros((7, 2 * 12 * 12), np.float32),
        },
    )
    # 4 channels of 36 outputs with 9 products; every input of the transposed one goes to 8 places.
    flops = 2 * 9 * 144 + 2 * 144 * 8 + 2 * 7 * 288
    assert read_graph(path).costs["other"].flops == flops


def test_s0_is_counted_once_and_wholly() -> None:
    bundle = Bundle.open(default_bundle_path())
    costs = read_graph(bundle.model_path).costs
    weights = sum(cost.weight_bytes for cost in costs.values())
    # The file is its weights and a per cent of graph.
    assert weights == pytest.approx(bundle.model_path.stat().st_size, rel=0.02)
    assert costs["other"].flops == 0
    assert all(costs[part].flops > 1e9 for part in ("encoder", "decoder", "heads"))


@pytest.mark.parametrize(
    "name, part",
    [
        ("dec_blocks2.3.cross_attn.projq/MatMul", "decoder"),
        ("/downstream_head1.dpt.head/Conv_2", "heads"),
        ("tiny_vit.vit.blocks.0.attn.qkv/MatMul", "encoder"),
        ("enc_blocks.7.mlp.fc1/MatMul_quant", "encoder"),
        ("graph/Concat", None),
        ("", None),
    ],
)
def test_a_name_tells_the_part(name: str, part: str | None) -> None:
    assert part_of_name(name) == part


def test_a_profile_is_added_up_by_part_and_the_first_run_left_out() -> None:
    def profiled(begin: int, factor: int) -> list[dict[str, Any]]:
        times = {"enc/Conv": 100, "y_nchwc": 50, "ReorderOutput": 10, "dec_blocks.1/MatMul": 30}
        events: list[dict[str, Any]] = [
            {"cat": "Session", "name": "model_run", "ts": begin, "dur": 1000},
            {"cat": "Node", "name": "enc/Conv_fence_before", "ts": begin, "dur": 999},
        ]
        moment = begin
        for name, us in times.items():
            node = {"cat": "Node", "name": f"{name}_kernel_time", "ts": moment, "dur": factor * us}
            events.append(node)
            moment += 100
        return events

    events = [*profiled(0, 50), *profiled(5000, 1), *profiled(7000, 1), *profiled(9000, 3)]
    found = parts_of_profile(events, {"enc/Conv": "encoder", "y": "heads"})
    # The reordering follows a node of the heads; medians of 1, 1 and 3 times.
    assert found == pytest.approx({"encoder": 0.1, "heads": 0.06, "decoder": 0.03, "total": 0.19})


def test_the_command_prints_parts_that_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "cost", default_bundle_path())
    assert code == 0
    rows = [line.strip("| ").split(" | ") for line in out.splitlines()[2:]]
    *parts, total = rows
    assert total[1] == "total"
    # Each is rounded to a hundredth.
    assert sum(float(row[2]) for row in parts) == pytest.approx(float(total[2]), abs=0.03)


def test_operators_of_onnx_runtime_are_counted_too(saved: Save) -> None:
    path = saved(
        [
            helper.make_node("MatMul", ["x", "w"], ["q"], name="enc_blocks.0.attn.q/MatMul"),
            helper.make_node(
                "MultiHeadAttention",
                ["q", "x", "x"],
                ["a"],
                name="enc_blocks.0/M",
                num_heads=4,
                domain="com.microsoft",
            ),
            helper.make_node(
                "SkipLayerNormalization",
                ["a", "x", "g"],
                ["s"],
                name="enc_blocks.0/S",
                domain="com.microsoft",
            ),
            helper.make_node("MatMul", ["s", "w"], ["out"], name="dec_blocks.0.fc/MatMul"),
        ],
        {"x": [2, 50, 32]},
        {"out": [2, 50, 32]},
        {"w": np.zeros((32, 32), np.float32), "g": np.zeros(32, np.float32)},
    )
    costs = read_graph(path).costs
    # One product by w; queries by keys and the weights by values, 50 tokens by 50 tokens each.
    assert costs["encoder"].flops == 2 * 2 * 50 * 32 * 32 + 2 * (2 * 2 * 50 * 50 * 32)
    assert costs["decoder"].flops == 2 * 2 * 50 * 32 * 32
    assert costs["decoder"].weight_bytes == 0  # counted where it was used first


def test_integer_products_and_turned_queries_are_counted_too(saved: Save) -> None:
    path = saved(
        [
            helper.make_node(
                "QuantizeLinear", ["x", "scale", "zero"], ["i"], name="enc_blocks.0/Q"
            ),
            helper.make_node(
                "MatMulIntegerToFloat",
                ["i", "w", "scale", "scales", "zero", "zeros"],
                ["q"],
                name="enc_blocks.0.attn.q/MatMul",
                domain="com.microsoft",
            ),
            helper.make_node(
                "RotaryEmbedding",
                ["q", "at", "cos", "sin"],
                ["turned"],
                name="enc_blocks.0/R",
                domain="com.microsoft",
            ),
            helper.make_node(
                "MultiHeadAttention",
                ["turned", "turned", "turned"],
                ["out"],
                name="enc_blocks.0/M",
                num_heads=4,
                domain="com.microsoft",
            ),
        ],
        {"x": [2, 50, 32]},
        {"out": [2, 50, 64]},
        {
            "w": np.zeros((32, 64), np.int8),
            "scale": np.ones((), np.float32),
            "zero": np.zeros((), np.uint8),
            "scales": np.ones(64, np.float32),
            "zeros": np.zeros(64, np.int8),
            "at": np.zeros((2, 50), np.int64),
            "cos": np.zeros((50, 8), np.float32),
            "sin": np.zeros((50, 8), np.float32),
        },
    )
    costs = read_graph(path).costs
    assert costs["encoder"].flops == 2 * 2 * 50 * 32 * 64 + 2 * (2 * 2 * 50 * 50 * 64)


def test_what_prepares_a_weight_belongs_to_the_layer() -> None:
    assert part_of_name("student.dec_blocks.0.mlp.fc1.weight/half/Cast") == "decoder"
    assert part_of_name("stack/half/Cast") is None
