"""The graphs of the family, read and built by TensorRT-RTX without a GPU; no engine is run.

The default run builds a small S0; the family itself, 12 to 60 s each, is slow.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.graph.graph import PairGraph
from lunar_export.graph.model_file import write_model
from lunar_export.graph.simplify import simplify
from lunar_export.graph.trace import trace
from lunar_export.judging.suitability import check_graph
from lunar_export.lowering.placement import measured_tensors
from lunar_export.lowering.ranges import collect_ranges
from lunar_export.lowering.reduce import Recipe, reduce_precision
from lunar_runtime.backends.tensorrt.libraries import import_library
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.engine_tool.build import BuildOptions, build_engine
from lunar_student import Outputs, build_student

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")

FP32 = {"fp32"}


def graph(student, outputs, size, folder):
    """A student's FP32 graph, as lunar-export makes it."""
    trace(PairGraph(student, size, size, outputs), size, size, folder / "traced.onnx")
    model, _ = simplify(folder / "traced.onnx")
    check_graph(model)
    return write_model(model, folder)["model.onnx"]


def build(path):
    return build_engine(import_library("tensorrt-rtx"), path, BuildOptions(2 << 30)).description


def check_tensors(description, outputs, size):
    tensors = {t.name: (t.mode, t.dtype, t.shape[:3]) for t in description.tensors}
    images = dict.fromkeys(("left", "right"), ("input", "uint8", (1, 1, size)))
    maps = dict.fromkeys(OUTPUT_NAMES[outputs.value], ("output", "float32", (1, size, size)))
    assert tensors == {**images, **maps}


def noise_pairs(size):
    rng = np.random.default_rng(0)
    return [
        CalibrationPair(str(i), *rng.integers(0, 256, (2, size, size), np.uint8)) for i in range(2)
    ]


def test_a_small_student_builds_and_multiplies_in_fp32(small, tmp_path):
    description = build(graph(small("S0"), Outputs.LEFT, 64, tmp_path))
    assert description.precisions().keys() == FP32
    check_tensors(description, Outputs.LEFT, 64)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_small_student_builds_and_multiplies_in_a_lower_precision(precision, small, tmp_path):
    model = onnx.load(graph(small("S0"), Outputs.LEFT, 64, tmp_path))
    ranges = collect_ranges(model, noise_pairs(64), measured_tensors(model), tmp_path)
    reduced = reduce_precision(model, ranges, Recipe(precision, "tensorrt")).model
    check_graph(reduced, precision)
    description = build(write_model(reduced, tmp_path)["model.onnx"])
    counts = description.precisions()
    # All but the first and the last layer, and what TensorRT merges with them.
    assert counts[precision] > 0.8 * sum(counts.values())
    assert counts["fp32"] >= 1  # the last layer
    check_tensors(description, Outputs.LEFT, 64)


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [Outputs.LEFT, Outputs.BOTH], ids=lambda o: o.value)
@pytest.mark.parametrize("member", ["S0", "S1", "S2", "S3", "S4"])
def test_the_family_builds_and_multiplies_in_fp32(member, outputs, tmp_path):
    torch.manual_seed(0)
    student = build_student(member).eval()
    description = build(graph(student, outputs, 256, tmp_path))
    assert description.precisions().keys() == FP32
    check_tensors(description, outputs, 256)


@pytest.fixture(scope="module", params=[Outputs.LEFT, Outputs.BOTH], ids=lambda o: o.value)
def outputs(request):
    return request.param


@pytest.fixture(scope="module", params=["S0", "S1", "S2", "S3", "S4"])
def measured(request, outputs, tmp_path_factory):
    """A member's FP32 graph with random weights, and its ranges on images of noise."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    model = onnx.load(graph(build_student(request.param).eval(), outputs, 256, folder))
    return model, collect_ranges(model, noise_pairs(256), measured_tensors(model), folder)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_family_builds_and_multiplies_in_a_lower_precision(
    precision, measured, outputs, tmp_path
):
    reduced = reduce_precision(*measured, Recipe(precision, "tensorrt")).model
    check_graph(reduced, precision)
    description = build(write_model(reduced, tmp_path)["model.onnx"])
    counts = description.precisions()
    # Islands stay in FP32 on purpose; the bulk of the arithmetic does not.
    assert counts[precision] > sum(counts.values()) / 2
    check_tensors(description, outputs, 256)
