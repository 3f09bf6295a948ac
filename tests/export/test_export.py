"""Whole exports of small students, run as the runtime runs them."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from lunar_export import ExportOptions, export_bundle
from lunar_export.graph import model_file, simplify, weights
from lunar_export.graph.graph import PairGraph, normalise
from lunar_export.graph.trace import trace
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_export.judging.suitability import check_graph
from lunar_runtime import StereoRuntime
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.errors import GateError, OutputError, UsageError
from lunar_student import Outputs, build_student

ROWS, COLUMNS = 64, 96


def grey(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (1, 1, height, width), np.uint8)


def export_graph(student, outputs, folder, height=ROWS, width=COLUMNS):
    """Trace and simplify alone: the graph, without pairs and bundle."""
    trace(PairGraph(student, height, width, outputs), height, width, folder / "traced.onnx")
    model, _ = simplify.simplify(folder / "traced.onnx")
    check_graph(model)
    return model_file.write_model(model, folder)["model.onnx"]


def run(path, left, right):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"left": left, "right": right}), strict=True))


def expected(student, left, right, outputs):
    with torch.inference_mode():
        given = student(
            normalise(torch.from_numpy(left)), normalise(torch.from_numpy(right)), outputs
        )
    return {name: getattr(given, name).numpy() for name in OUTPUT_NAMES[outputs.value]}


def assert_equal(got, want):
    assert list(got) == list(want)
    for name, value in want.items():
        # Float32 in another order of summation: FP32_TOLERANCE of the output's scale.
        scale = np.abs(value).mean()
        np.testing.assert_allclose(got[name], value, rtol=1e-4, atol=1e-4 * scale, err_msg=name)


@pytest.fixture(scope="session")
def everything(small, tmp_path_factory) -> Bundle:
    """All outputs of the DINOv2 student, neither square nor on the grid of its patches."""
    options = ExportOptions(Outputs.ALL, ROWS, COLUMNS)
    return export_bundle(small("S2"), tmp_path_factory.mktemp("all") / "bundle", options)


@pytest.fixture(scope="session")
def left_only(small, tmp_path_factory):
    return export_graph(small("S2"), Outputs.LEFT, tmp_path_factory.mktemp("left"))


def test_inputs_and_outputs_have_their_names_shapes_and_types(everything):
    model = onnx.load(everything.model_path)

    def described(values):
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


def test_the_graph_agrees_with_the_network_on_images_it_was_not_gated_on(everything, small):
    left, right = grey(ROWS, COLUMNS, 1), grey(ROWS, COLUMNS, 2)
    assert_equal(
        run(everything.model_path, left, right), expected(small("S2"), left, right, Outputs.ALL)
    )


def test_the_two_inputs_are_two(everything):
    left, right = grey(ROWS, COLUMNS, 1), grey(ROWS, COLUMNS, 2)
    one = run(everything.model_path, left, right)["pointmap_left"]
    other = run(everything.model_path, right, left)["pointmap_left"]
    assert np.abs(one - other).max() > 1e-3


def test_left_gives_the_same_numbers_with_fewer_parameters(everything, left_only, small):
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
    assert weights.parameter_count(onnx.load(path)) < rest


def test_the_manifest_says_what_was_made(everything, small):
    manifest = everything.manifest
    assert manifest.student.id == "small-S2-untrained"
    assert manifest.student.checkpoint_sha256 is None
    assert manifest.student.parameters == sum(p.numel() for p in small("S2").parameters())
    assert manifest.student.config["encoder"] == "dinov2_vits14"
    assert (manifest.graph.output_set, manifest.graph.height, manifest.graph.width) == (
        "all",
        ROWS,
        COLUMNS,
    )
    frames = {output.name: (output.unit, output.frame) for output in manifest.graph.outputs}
    assert frames["pointmap_right"] == ("network unit", "left camera")
    assert frames["descriptor_confidence_right"] == ("1", "right image")
    assert (manifest.precision, manifest.target, manifest.gate) == ("fp32", "cpu", "passed")
    assert manifest.parity.pairs_source.startswith(
        "rendered nadir, rendered oblique, rendered dynamic"
    )
    assert set(manifest.parity.outputs) == set(OUTPUT_NAMES["all"])
    for output in manifest.parity.outputs.values():
        assert output.mean_relative_error <= output.max_relative_error <= FP32_TOLERANCE
    assert manifest.versions["torch"] == torch.__version__
    assert manifest.versions["simplifier"].startswith("onnxsim ")


def test_the_golden_pair_passes_on_the_machine_that_made_it(everything):
    with StereoRuntime.load(everything) as runtime:
        errors = runtime.check_golden()
    assert set(errors) == set(OUTPUT_NAMES["all"])
    assert max(errors.values()) <= FP32_TOLERANCE


def test_no_path_of_this_machine_is_in_the_graph(everything):
    content = everything.model_path.read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b"site-packages" not in content and b".py" not in content


def test_nodes_are_named_after_their_modules(everything):
    names = [node.name for node in onnx.load(everything.model_path).graph.node]
    assert len(set(names)) == len(names)
    assert "tiny_vit.vit.patch_embed.proj/Conv" in names
    assert "dec_blocks.0.attn.qkv/MatMul" in names
    assert "dec_blocks2.1.cross_attn/Softmax" in names


def test_attention_is_two_products_and_a_softmax_scaled_once(everything):
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


def test_onnx_runtime_fuses_every_gelu_and_the_scale_of_attention(everything, tmp_path):
    options = onnxruntime.SessionOptions()
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
def test_the_other_encoders_export_with_all_they_have(member, small, tmp_path):
    student = small(member)
    path = export_graph(student, Outputs.ALL, tmp_path, 96, 64)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert not kinds & {"BatchNormalization", "If", "Expand", "Cos", "Sin", "Shape", "Range"}
    left, right = grey(96, 64, 5), grey(96, 64, 6)
    assert_equal(run(path, left, right), expected(student, left, right, Outputs.ALL))


def test_two_exports_of_the_same_weights_are_the_same_bytes(small, tmp_path, left_only):
    path = export_graph(small("S2"), Outputs.LEFT, tmp_path)
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, left_only)]
    assert digests[0] == digests[1]


@pytest.fixture(scope="session")
def in_two_files(small, tmp_path_factory) -> Bundle:
    """The teacher's path, with its limits lowered; and no real imagery at hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simplify, "WHOLE_LIMIT_BYTES", 1_000_000)
        patch.setattr(simplify, "LARGE_BYTES", 10_000)
        patch.setattr(model_file, "ONE_FILE_LIMIT_BYTES", 1_000_000)
        patch.setenv("LUNAR_DATA", "/nowhere")
        out = tmp_path_factory.mktemp("two") / "bundle"
        return export_bundle(small("S0"), out, ExportOptions(Outputs.BOTH, 64, 64))


def test_a_model_too_large_for_one_file_comes_in_two_and_computes_the_same(in_two_files, small):
    bundle = in_two_files
    assert sorted(bundle.manifest.files) == ["golden.npz", "model.onnx", "model.onnx.data"]
    assert "without its" in bundle.manifest.versions["simplifier"]
    assert (bundle.path / "model.onnx").stat().st_size < 1_000_000
    left, right = grey(64, 64, 7), grey(64, 64, 8)
    want = expected(small("S0"), left, right, Outputs.BOTH)
    assert_equal(run(bundle.model_path, left, right), want)


def test_without_real_imagery_the_manifest_says_rendered_only(in_two_files):
    assert in_two_files.manifest.parity.pairs_source == (
        "rendered nadir, rendered oblique, rendered dynamic"
    )


def test_the_runtime_takes_the_bundle_from_here(in_two_files):
    golden = in_two_files.golden()
    with StereoRuntime.load(in_two_files) as runtime:
        assert runtime.infer(golden.left, golden.right).depth.shape == (64, 64)


def test_an_existing_bundle_is_not_replaced_by_accident(in_two_files, small):
    with pytest.raises(OutputError, match="exists already; set overwrite"):
        export_bundle(small("S0"), in_two_files.path, ExportOptions(Outputs.LEFT, 64, 64))


def test_s2_s_graph_holds_what_its_left_pointmap_needs_and_no_more(tmp_path):
    student = build_student("S2").eval()
    for parameter in student.parameters():  # so that no two are equal
        torch.nn.init.normal_(parameter, std=0.02)
    path = export_graph(student, Outputs.LEFT, tmp_path, 64, 64)
    # Encoder 22.3, decoders 31.6 less the last right layer 2.6, one DPT head 19.8 less the unit
    # of refinenet4 that never runs 1.2; grey patches and a 5×5 position embedding save 0.8.
    assert weights.parameter_count(onnx.load(path)) < 70_000_000


def test_a_network_that_gives_nan_is_refused_before_any_tracing(small, tmp_path):
    student = copy.deepcopy(small("S0"))
    student.downstream_head1.dpt.head[-1].bias.data.fill_(float("nan"))
    with pytest.raises(GateError) as caught:
        export_bundle(student, tmp_path / "bundle", ExportOptions(Outputs.LEFT, 64, 64))
    assert str(caught.value) == (
        "the network itself gives NaN or infinity in pointmap_left on the rendered nadir pair; "
        "nothing was written. Use a checkpoint whose training did not diverge"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ExportOptions(height=500),
            "--size 500: must be a multiple of 16 from 32 to 4096; the nearest is 496",
        ),
        (
            ExportOptions(width=16),
            "--size 16: must be a multiple of 16 from 32 to 4096; the nearest is 32",
        ),
        (
            ExportOptions(Outputs.ALL),
            "--outputs all: small-S0 has no descriptors; use --outputs both",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(options, message, small, tmp_path):
    with pytest.raises(UsageError) as caught:
        export_bundle(small("S0"), tmp_path / "bundle", options)
    assert str(caught.value) == message
