"""Reading what TensorRT says an engine is made of.

`engine_descriptions/` holds excerpts of what TensorRT-RTX 1.7.1 said of engines built from our own
graphs; the lines are whole and unchanged. FP16 and INT8 are the packaged S0 after ONNX Runtime's
own converters.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_runtime.backends.tensorrt.description import (
    EngineDescription,
    Layer,
    Tensor,
    parse_description,
)

RECORDED = Path(__file__).parent / "engine_descriptions"


@pytest.fixture(scope="module")
def s0() -> EngineDescription:
    return parse_description((RECORDED / "s0_both_256_fp32.txt").read_text())


def test_every_recorded_layer_is_read(s0: EngineDescription) -> None:
    lines = (RECORDED / "s0_both_256_fp32.txt").read_text().splitlines()
    assert len(s0.layers) == sum("LayerType: " in line for line in lines) > 10
    assert s0.layers[1] == Layer(
        "tiny_enc.backbone.stages.0.0.bn/Conv_myl0_1", "correlation", "fp32"
    )


def test_a_recorded_fp32_engine_multiplies_in_fp32_alone(s0: EngineDescription) -> None:
    assert s0.precisions().keys() == {"fp32"}


def test_a_recorded_fp16_engine_multiplies_in_fp16_alone_and_answers_in_fp32() -> None:
    read = parse_description((RECORDED / "s0_both_256_fp16.txt").read_text())
    assert read.precisions().keys() == {"fp16"}
    assert {t.dtype for t in read.tensors if t.mode == "output"} == {"float32"}


def test_a_recorded_int8_engine_multiplies_in_int8_but_for_transposed_convolutions() -> None:
    read = parse_description((RECORDED / "s0_both_256_int8.txt").read_text())
    assert read.precisions().keys() == {"int8", "fp32"}
    assert {layer.precision for layer in read.layers if layer.kind == "correlation"} == {"int8"}
    assert {layer.precision for layer in read.layers if layer.kind == "deconv"} == {"fp32"}


def test_the_recorded_tensors_are_those_of_the_graph(s0: EngineDescription) -> None:
    assert s0.tensors == (
        Tensor("left", "input", "uint8", (1, 1, 256, 256)),
        Tensor("right", "input", "uint8", (1, 1, 256, 256)),
        Tensor("pointmap_left", "output", "float32", (1, 256, 256, 3)),
        Tensor("confidence_left", "output", "float32", (1, 256, 256)),
        Tensor("pointmap_right", "output", "float32", (1, 256, 256, 3)),
        Tensor("confidence_right", "output", "float32", (1, 256, 256)),
    )


def line(kind: str, inputs: list[str], constants: str = "", name: str = "a/Conv") -> str:
    """A layer as TensorRT-RTX writes it, cut down to what is read."""
    tensors = ", ".join(f"{{ Name: x, Dimensions: [1], Datatype: {t}, Format: f }}" for t in inputs)
    return (
        f"Name: {name}, LayerType: {kind}, Inputs: [ {tensors}], Constants: [ {constants}], "
        "Outputs: [ { Name: y, Dimensions: [1], Datatype: BF16, Format: f }], StreamId: 0"
    )


@pytest.mark.parametrize(
    ("spelled", "precision"),
    [
        ("Datatype: Half", "fp16"),
        ("Datatype: Float", "fp32"),
        ("Datatype: Int8", "int8"),
        # TensorRT 10's inspector writes one field, of a word or a sentence.
        ("Format/Datatype: Half", "fp16"),
        ("Format/Datatype: Row major linear FP32", "fp32"),
        ("Format/Datatype: Channel major FP16 format where channel % 8 == 0", "fp16"),
        ("Format/Datatype: Thirty-two wide channel vectorized row major Int8 format", "int8"),
        ("Format/Datatype: N/A due to dynamic shapes", "none"),
    ],
)
def test_every_way_of_writing_a_data_type_is_read(spelled: str, precision: str) -> None:
    text = (
        "Layers:\nName: n, LayerType: gemm, "
        f"Inputs: [ {{ Name: x, Location: Device, {spelled} }}], "
        "Outputs: [ { Name: y, Location: Device, Format/Datatype: Bool }], TacticName: t"
    )
    assert parse_description(text).layers == (Layer("n", "gemm", precision),)


def test_precision_is_that_of_the_inputs_not_of_weights_or_outputs() -> None:
    weights = "{ Name: w, Dimensions: [1], Datatype: Int8, Format: f }"
    read = parse_description(line("correlation", ["Half"], weights)).layers[0]
    assert read.precision == "fp16"


def test_a_layer_without_inputs_has_its_constants_precision() -> None:
    weights = "{ Name: w, Dimensions: [1], Datatype: Int8, Format: f }"
    assert parse_description(line("kgen", [], weights)).layers[0].precision == "int8"


def test_mixed_inputs_are_told() -> None:
    assert parse_description(line("kgen", ["Half", "Float"])).layers[0].precision == "fp16+fp32"


@pytest.mark.parametrize(
    ("name", "kind", "multiplies"),
    [
        ("a/MatMul_myl0_1", "gemm", True),
        ("a/Conv_myl0_1", "correlation", True),
        ("a/ConvTranspose", "deconv", True),
        ("a/Conv", "CaskConvolution", True),
        ("__myl_FcAddMulErf_myl0_96", "runtime_fusion", True),
        ("__myl_CorrAddRelu_myl0_317", "runtime_fusion", True),
        ("__myl_Resi_myl0_321", "runtime_function", False),
        ("__myl_SlicMulAdd_myl0_2", "kgen", False),
        ("Reformatting CopyNode for Input Tensor 0 to a/Conv", "Reformat", False),
    ],
)
def test_products_and_convolutions_are_told_from_the_rest(
    name: str, kind: str, multiplies: bool
) -> None:
    assert Layer(name, kind, "fp32").multiplies is multiplies


def test_an_engine_that_tells_nothing_has_no_layers() -> None:
    assert parse_description("") == parse_description("Layer names only\nreshape_7\n")
    assert parse_description("").layers == ()
