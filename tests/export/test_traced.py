"""Graphs of small students, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from export.comparison import assert_equal, expected, grey, run
from export.conftest import COLUMNS, ROWS, Small, TracedSmall
from export.small_graphs import parameter_count
from lunar_export.graph.model_file import write_model
from lunar_export.graph.traced import trace_student
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_student import build_student


def test_inputs_and_outputs_have_their_names_shapes_and_types(everything: Bundle) -> None:
    model = onnx.load(everything.model_path)

    def described(values: Sequence[onnx.ValueInfoProto]) -> dict[str, tuple[int, list[int]]]:
        return {
            v.name: (
                v.type.tensor_type.elem_type,
                [d.dim_value for d in v.type.tensor_type.shape.dim],
            )
            for v in values
        }

    size, byte, float32 = [ROWS, COLUMNS], onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    assert described(model.graph.input) == dict.fromkeys(("left", "right"), (byte, [1, 1, *size]))
    assert described(model.graph.output) == {
        "pointmap_left": (float32, [1, *size, 3]),
        "confidence_left": (float32, [1, *size]),
        "pointmap_right": (float32, [1, *size, 3]),
        "confidence_right": (float32, [1, *size]),
        "descriptors_left": (float32, [1, *size, 3]),
        "descriptor_confidence_left": (float32, [1, *size]),
        "descriptors_right": (float32, [1, *size, 3]),
        "descriptor_confidence_right": (float32, [1, *size]),
    }
    assert [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")] == [18]
    assert model.ir_version <= 10


def test_the_graph_agrees_with_the_network_on_images_it_was_not_gated_on(
    everything: Bundle, small: Small
) -> None:
    left, right = grey(ROWS, COLUMNS, 1), grey(ROWS, COLUMNS, 2)
    assert_equal(run(everything.model_path, left, right), expected(small("S2"), left, right, "all"))


def test_the_two_inputs_are_two(everything: Bundle) -> None:
    left, right = grey(ROWS, COLUMNS, 1), grey(ROWS, COLUMNS, 2)
    one = run(everything.model_path, left, right)["pointmap_left"]
    other = run(everything.model_path, right, left)["pointmap_left"]
    assert np.abs(one - other).max() > 1e-3


@pytest.fixture(scope="session")
def left_only(traced: TracedSmall, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = traced("S2", "left", ROWS, COLUMNS).model
    return write_model(model, tmp_path_factory.mktemp("left"))["model.onnx"]


def test_left_gives_the_same_numbers_with_fewer_parameters(
    everything: Bundle, left_only: Path, small: Small
) -> None:
    left, right = grey(ROWS, COLUMNS, 3), grey(ROWS, COLUMNS, 4)
    path = left_only
    every = run(everything.model_path, left, right)
    assert_equal(run(path, left, right), {n: every[n] for n in OUTPUT_NAMES["left"]})
    names = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert not [name for name in names if "downstream_head2" in name]
    assert not [name for name in names if "head_local_features" in name]
    assert not [name for name in names if "dec_blocks2.1" in name]  # nobody reads the last layer
    student = small("S2")
    dropped = [
        student.downstream_head2,
        student.downstream_head1.head_local_features,
        student.dec_blocks2[-1],
        student.downstream_head1.dpt.scratch.refinenet4.resConfUnit1,
        student.patch_embed,
        student.enc_norm,
    ]
    total = sum(p.numel() for p in student.parameters())
    rest = total - sum(p.numel() for module in dropped for p in module.parameters())
    # RGB weights became grey ones; RoPE tables and the smaller position embedding came and went.
    assert parameter_count(onnx.load(path)) < rest


def test_no_path_of_this_machine_is_in_the_graph(everything: Bundle) -> None:
    content = everything.model_path.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"site-packages" not in content and b".py" not in content


def test_nodes_are_named_after_their_modules(everything: Bundle) -> None:
    names = [node.name for node in onnx.load(everything.model_path).graph.node]
    assert len(set(names)) == len(names)
    assert "tiny_vit.vit.patch_embed.proj/Conv" in names
    assert "dec_blocks.0.attn.qkv/MatMul" in names
    assert "dec_blocks2.1.cross_attn/Softmax" in names


@pytest.mark.parametrize("student", ["S0", "S2"])
def test_a_head_turns_its_pointmap_once_and_last(
    everything: Bundle, traced: TracedSmall, student: str
) -> None:
    """Arithmetic on (1, H, W, 3) takes ONNX Runtime many times as long as on (1, 3, H, W)."""
    if student == "S2":
        model = onnx.load(everything.model_path)
    else:
        model = traced("S0", "both", 32, 48).model
    model = onnx.shape_inference.infer_shapes(model)
    names = [value.name for value in model.graph.output]
    height, width = (d.dim_value for d in model.graph.output[1].type.tensor_type.shape.dim[1:])
    last = {
        value.name
        for value in (*model.graph.value_info, *model.graph.output)
        if [d.dim_value for d in value.type.tensor_type.shape.dim][:3] == [1, height, width]
    }
    turned = {node.output[0] for node in model.graph.node if node.op_type == "Transpose"}
    of_pixels = {name for name in names if name.startswith(("pointmap", "descriptors"))}
    assert of_pixels and of_pixels <= turned
    four = {v.name for v in model.graph.value_info if len(v.type.tensor_type.shape.dim) == 4}
    assert not last & four - of_pixels


def test_attention_is_two_products_and_a_softmax_scaled_once(everything: Bundle) -> None:
    graph = onnx.load(everything.model_path).graph
    kinds = [n.op_type for n in graph.node if n.name.startswith("dec_blocks.1.cross_attn/")]
    assert (kinds.count("MatMul"), kinds.count("Softmax")) == (2, 1)
    values = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    scale = np.float32(1 / np.sqrt(32))  # heads of 32 channels
    scaled = [
        node
        for node in graph.node
        if node.name.startswith("dec_blocks.1.cross_attn/Mul")
        for name in node.input
        if name in values and values[name].size == 1 and values[name].item() == scale
    ]
    assert len(scaled) == 1


def test_onnx_runtime_fuses_every_gelu_and_the_scale_of_attention(
    everything: Bundle, tmp_path: Path
) -> None:
    options: Any = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file is of this machine
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(
        str(everything.model_path), options, providers=["CPUExecutionProvider"]
    )
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    encoder, decoder, heads = 12, 2 * 2, 2
    assert "Erf" not in kinds
    assert sum("Gelu" in kind for kind in kinds) == encoder + decoder + heads
    # A decoder layer attends to itself and to the other view.
    assert kinds.count("FusedMatMul") == encoder + 2 * decoder


@pytest.mark.parametrize("member", ["S1", "S4"])
def test_the_other_encoders_export_with_all_they_have(
    member: str, small: Small, traced: TracedSmall, tmp_path: Path
) -> None:
    student = small(member)
    path = write_model(traced(member, "all", 96, 64).model, tmp_path)["model.onnx"]
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"BatchNormalization", "If", "Expand", "Cos", "Sin", "Shape", "Range"}
    left, right = grey(96, 64, 5), grey(96, 64, 6)
    assert_equal(run(path, left, right), expected(student, left, right, "all"))


def test_two_exports_of_the_same_weights_are_the_same_bytes(
    small: Small, traced: TracedSmall, tmp_path: Path
) -> None:
    first = traced("S0", "left", 64, 64)
    second = trace_student(small("S0"), "left", 64, 64, tmp_path)
    digests = []
    for graph in (first, second):
        path = write_model(graph.model, tmp_path)["model.onnx"]
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_s2_s_graph_holds_what_its_left_pointmap_needs_and_no_more(tmp_path: Path) -> None:
    student = build_student("S2").eval()
    for parameter in student.parameters():  # so that no two are equal
        torch.nn.init.normal_(parameter, std=0.02)
    model = trace_student(student, "left", 64, 64, tmp_path).model
    # Encoder 22.3, decoders 31.6 less the last right layer 2.6, one DPT head 19.8 less the unit
    # of refinenet4 that never runs 1.2; grey patches and a 5×5 position embedding save 0.8.
    assert parameter_count(model) < 70_000_000
