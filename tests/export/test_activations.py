"""What activations calibration pairs have goes into the manifest, of trained networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from export.conftest import Small
from export.small_graphs import model_of, noise
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export import ExportOptions, export_bundle
from lunar_export.bundling.activation_ranges import kept_ranges, measure_activations
from lunar_export.graph.cut_points import cut_points
from lunar_export.graph.traced import Traced
from lunar_export.lowering.histogram import TensorRange
from lunar_export.lowering.measure import Measured
from lunar_export.pairs.calibration import render_calibration
from lunar_export.pairs.choose import PairCounts
from lunar_runtime.backends.activations import activation_record_of
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import InputError
from lunar_student import save_checkpoint
from onnx import TensorProto, helper

SHAPE = (1, 1, 32, 48)


def residual_model(scale: float = 1.0) -> onnx.ModelProto:
    """A sum that goes through a ReLU, one that does not, a rotation, a bias, and a small sum."""
    nodes = [
        helper.make_node("Cast", ["left"], ["l"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["right"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["l", "scale"], ["ls"]),
        helper.make_node("Add", ["ls", "r"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["relu"]),
        helper.make_node("Neg", ["relu"], ["n"]),
        helper.make_node("Add", ["n", "l"], ["stream"]),
        helper.make_node("Mul", ["stream", "scale"], ["m"]),
        helper.make_node("Add", ["m", "ls"], ["rotation"]),
        helper.make_node("Add", ["rotation", "bias"], ["biased"]),
        helper.make_node("ReduceMean", ["biased"], ["mean"]),
        helper.make_node("ReduceMean", ["stream"], ["mean2"]),
        helper.make_node("Add", ["mean", "mean2"], ["small"]),
        helper.make_node("Add", ["biased", "small"], ["y"]),
    ]
    tensors = {"scale": np.array(scale, np.float32), "bias": noise("bias", *SHAPE)}
    images = dict.fromkeys(("left", "right"), SHAPE)
    return model_of(nodes, images, {"y": SHAPE}, tensors, kind=TensorProto.UINT8)


def pair(left: int, right: int) -> CalibrationPair:
    images = [np.full(SHAPE[2:], grey, np.uint8) for grey in (left, right)]
    return CalibrationPair("a pair", images[0], images[1])


def test_sums_of_branches_are_watched_behind_their_relu() -> None:
    assert cut_points(residual_model()) == ["relu", "stream"]


def test_ranges_are_those_of_all_pairs(tmp_path: Path) -> None:
    traced = Traced(residual_model(), "both", 32, 48, "nothing")
    steps: list[int] = []
    pairs = [pair(10, 20), pair(100, 1)]
    found = measure_activations(traced, pairs, tmp_path, lambda: steps.append(1), threads=1)
    assert found.model == {"relu": (30.0, 101.0), "stream": (-20.0, -1.0)}
    assert found.encoder == {}
    assert len(steps) == 2


def test_an_activation_that_is_not_finite_names_its_pair(tmp_path: Path) -> None:
    traced = Traced(residual_model(np.inf), "both", 32, 48, "nothing")
    with pytest.raises(InputError, match="calibration pair a pair: the network gives NaN or inf"):
        measure_activations(traced, [pair(10, 20)], tmp_path, threads=1)


def test_a_lowered_graph_keeps_the_points_that_it_has() -> None:
    model = residual_model()
    ranges = {name: TensorRange(low=1.0, high=2.0) for name in ("relu", "stream", "y")}
    lowered = residual_model()
    next(node for node in lowered.graph.node if "stream" in node.output).output[0] = "elsewhere"
    assert kept_ranges(Measured(model, ranges, 1), lowered).model == {"relu": (1.0, 2.0)}
    assert kept_ranges(Measured(model, {}, 0), lowered).model == {}


@pytest.mark.parametrize("split", [False, True])
def test_a_trained_network_is_watched_where_it_runs(
    small: Small, tmp_path: Path, split: bool
) -> None:
    student = small("S0")
    save_checkpoint(student, tmp_path / "s0.safetensors")
    counts = PairCounts(activations=3)
    options = ExportOptions("both", 64, 64, threads=1, split=split, counts=counts)
    checkpoint = tmp_path / "s0.safetensors"
    bundle = export_bundle(student, tmp_path / "b", options, checkpoint=checkpoint)
    graph = bundle.manifest.graph
    watched = len(graph.activation_ranges)
    if split:
        assert graph.encoder is not None
        assert len(graph.encoder.activation_ranges) > 0
        watched += len(graph.encoder.activation_ranges)
    assert bundle.manifest.format_version == 5
    backend = select_backend(bundle, "onnxruntime", "cpu", 1)
    assert activation_record_of(backend).points == watched > 10
    for calibrated in render_calibration(64, 64, 3).pairs:
        backend.run(calibrated.left[None, None], calibrated.right[None, None])
    assert activation_record_of(backend).breaches == 0
    backend.close()


def test_random_weights_have_no_ranges(small: Small, tmp_path: Path) -> None:
    bundle = export_bundle(small("S0"), tmp_path / "b", ExportOptions("left", 64, 64, threads=1))
    assert bundle.manifest.graph.activation_ranges == {}
    assert bundle.manifest.format_version == 3
