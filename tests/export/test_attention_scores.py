"""Queries times keys in 8 bits: where, from which ranges, and what OpenVINO makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from export.small_graphs import Array, constants, model_of, noise, run
from lunar_export.graph.layers import attention_scores, weight_layers
from lunar_export.judging.sensitivity import lowered_modules
from lunar_export.lowering.histogram import Histogram, TensorRange
from lunar_export.lowering.lower import Recipe, lower
from lunar_export.lowering.measure import Measured
from lunar_export.lowering.placement import placeable
from lunar_runtime.bundles.choices import Target
from onnx import helper

NEEDS_OPENVINO = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed"
)
HEADS, DIM = 2, 32
WIDTH = HEADS * DIM

#: Runs a graph in a process of its own, whose environment limits the instructions, and says what
#: OpenVINO made of it.
_RUN = """
import sys
import numpy as np
from lunar_runtime.backends.openvino.library import import_library
from lunar_runtime.backends.openvino.network import CompiledNetwork, Setting
graph, x, y = sys.argv[1:]
setting = Setting("CPU", "f32", 1)
network = CompiledNetwork.of_graph(import_library(), open(graph, "rb").read(), setting)
np.save(y, network.run({"x": np.load(x)}, ["y"])["y"])
for node in network._compiled.get_runtime_model().get_ops():
    info = node.get_rt_info()
    if "layerType" in info:
        print(info["layerType"].value, info["runtimePrecision"].value, sep=":")
"""


def attention(tokens: int, weight: Array, scale: float = 0.1) -> onnx.ModelProto:
    """Two projections around a self-attention, as the tracer writes them."""
    heads = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], name="attn.qkv/MatMul"),
        helper.make_node("Add", ["m", "b"], ["a"], name="attn.qkv/Add"),
        helper.make_node("Split", ["a"], ["q", "k", "v"], name="attn/Split", axis=2, num_outputs=3),
    ]
    for name, order in heads.items():
        nodes += [
            helper.make_node("Reshape", [name, "apart"], [f"{name}r"], name=f"attn/{name}R"),
            helper.make_node(
                "Transpose", [f"{name}r"], [f"{name}t"], name=f"attn/{name}T", perm=order
            ),
        ]
    nodes += [
        helper.make_node("Mul", ["qt", "c"], ["qs"], name="attn/Mul"),
        helper.make_node("MatMul", ["qs", "kt"], ["s"], name="attn/MatMul"),
        helper.make_node("Softmax", ["s"], ["p"], name="attn/Softmax", axis=-1),
        helper.make_node("MatMul", ["p", "vt"], ["o"], name="attn/MatMul_2"),
        helper.make_node("Transpose", ["o"], ["ot"], name="attn/oT", perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["ot", "joined"], ["j"], name="attn/oR"),
        helper.make_node("MatMul", ["j", "u"], ["y"], name="attn.proj/MatMul"),
    ]
    tensors: dict[str, Array] = {
        "w": weight,
        "b": np.zeros(3 * WIDTH, np.float32),
        "u": np.eye(WIDTH, dtype=np.float32),
        "c": np.array(scale, np.float32),
        "apart": np.array([1, tokens, HEADS, DIM]),
        "joined": np.array([1, tokens, WIDTH]),
    }
    shape = (1, tokens, WIDTH)
    return model_of(nodes, {"x": shape}, {"y": shape}, tensors)


def measured(model: onnx.ModelProto, x: Array) -> Measured:
    """The ranges of what one input gives, and for clipping a histogram that ends far below them."""
    shown = ("j", "qs", "kt")
    found = run(model, {"x": x}, *shown)
    ranges = {}
    for name, values in {**{name: found[name] for name in shown}, "x": x}.items():
        histogram = Histogram()
        histogram.add((values / 100).astype(np.float32).reshape(-1))
        ranges[name] = TensorRange(float(values.min()), float(values.max()), histogram)
    return Measured(model, ranges, 1)


def recipe(*kept: str) -> Recipe:
    return Recipe("int8", "openvino", "percentile 99.9", frozenset(kept))


@pytest.fixture
def graph() -> onnx.ModelProto:
    return attention(64, noise("weight", WIDTH, 3 * WIDTH) / 8)


def test_scores_are_what_a_softmax_alone_reads(graph: onnx.ModelProto) -> None:
    found = attention_scores(graph)
    assert [(part.node, part.queries, part.keys, part.module) for part in found] == [
        ("attn/MatMul", "qs", "kt", "attn")
    ]
    extra = helper.make_node("Mul", ["s", "s"], ["also"], name="graph/Mul")
    graph.graph.node.append(extra)
    assert attention_scores(graph) == []


@pytest.mark.parametrize(
    ("target", "more"), [("openvino", ["attn"]), ("cpu", []), ("tensorrt", [])]
)
def test_scores_are_for_openvino_alone(
    graph: onnx.ModelProto, target: Target, more: list[str]
) -> None:
    layers = [layer.module for layer in weight_layers(graph)]
    assert lowered_modules(graph, target) == [*layers, *more]
    assert len(placeable(graph, target)) == len(layers) + len(more)


def test_queries_and_keys_are_not_clipped_and_keys_leave_room_for_sums(
    graph: onnx.ModelProto,
) -> None:
    """The method would clip all beyond a hundredth of the range, as it does between the layers."""
    seen = measured(graph, noise("x", 1, 64, WIDTH))
    stored = constants(lower(seen, recipe()).model)
    assert stored["qs/scale"] == pytest.approx(seen.ranges["qs"].peak / 127)
    assert stored["kt/scale"] == pytest.approx(seen.ranges["kt"].peak / 63)
    assert stored["qs/zero"].dtype == stored["kt/zero"].dtype == np.int8


def test_scores_that_break_the_gate_are_given_back(graph: onnx.ModelProto) -> None:
    lowered = lower(measured(graph, noise("x", 1, 64, WIDTH)), recipe("attn"))
    assert lowered.kept["attn/MatMul"] == "sensitivity"
    scores = next(node for node in lowered.model.graph.node if node.name == "attn/MatMul")
    assert list(scores.input) == ["qs", "kt"]


def test_what_weighs_the_values_stays_float(graph: onnx.ModelProto) -> None:
    lowered = lower(measured(graph, noise("x", 1, 64, WIDTH)), recipe()).model
    read = {node.name: list(node.input) for node in lowered.graph.node}
    assert read["attn/MatMul"] == ["qs/dequantised", "kt/dequantised"]
    assert read["attn/MatMul_2"] == ["p", "vt"]


@NEEDS_OPENVINO
@pytest.mark.skipif(
    not {"avx512_vnni", "avx_vnni"} & set(Path("/proc/cpuinfo").read_text().split()),
    reason="OpenVINO fuses integer scores on processors with VNNI only",
)
def test_openvino_computes_an_attention_in_one_pass_with_integer_scores(tmp_path: Path) -> None:
    """Scores that are written to memory cost more than the products of 8 bits save."""
    graph = attention(256, noise("weight", WIDTH, 3 * WIDTH) / 8)
    x = noise("x", 1, 256, WIDTH)
    layers, y = in_openvino(lower(measured(graph, x), recipe()).model, x, tmp_path)
    assert "Subgraph:i8" in layers
    assert not [name for name in layers if name.startswith(("Softmax", "MatMul", "Split"))]
    layers, exact = in_openvino(lower(measured(graph, x), recipe("attn")).model, x, tmp_path)
    assert "Subgraph:i8" not in layers
    # Half a step of 127 or 63 in every factor of a sum of 32, in scores of .1 and values of 1.
    assert 0 < np.abs(y - exact).max() < 0.1 * np.abs(exact).max()


@NEEDS_OPENVINO
@pytest.mark.parametrize("isa", ["AVX2", "DEFAULT"])
def test_scores_do_not_saturate_without_vnni(tmp_path: Path, isa: str) -> None:
    """Keys that fill the 8 bits beside queries that do: without the room, half a sum is lost."""
    signs = np.sign(noise("signs", 1, 256, 1)) * np.ones((1, 1, WIDTH), np.float32)
    weight = np.tile(np.eye(WIDTH, dtype=np.float32), 3)
    graph = attention(256, weight, 0.05)
    rows = np.arange(256)[None, :, None] % 8 / 100  # values that differ from token to token
    x = (signs * (1 - rows)).astype(np.float32)
    seen = measured(graph, x)
    _, y = in_openvino(lower(seen, recipe()).model, x, tmp_path, isa)
    _, exact = in_openvino(lower(seen, recipe("attn")).model, x, tmp_path, isa)
    # A step of the keys in a score of 1.6 is .03, and weights add up to one.
    np.testing.assert_allclose(y, exact, atol=0.03)


def in_openvino(
    model: onnx.ModelProto, x: Array, folder: Path, isa: str = "DEFAULT"
) -> tuple[list[str], Array]:
    """Kinds and precisions of OpenVINO's layers, and what they give."""
    onnx.save(model, folder / "m.onnx")
    np.save(folder / "x.npy", x)
    paths = [folder / name for name in ("m.onnx", "x.npy", "y.npy")]
    surroundings = os.environ | {
        "ONEDNN_MAX_CPU_ISA": isa,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, paths)],
        env=surroundings,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split(), np.load(folder / "y.npy")
