"""The graphs of the family, read and built by TensorRT-RTX without a GPU; no engine is run.

The default run builds a small S0; the family itself, 12 to 60 s each, is slow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export.conftest import TracedSmall
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.graph.model_file import write_model
from lunar_export.graph.suitability import check_graph
from lunar_export.graph.traced import trace_student
from lunar_export.lowering.lower import Recipe, lower
from lunar_export.lowering.measure import Measured, measure_ranges
from lunar_export.lowering.placement import measured_tensors
from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.libraries import import_library
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet, Precision
from lunar_runtime.engine_tool.build import BuildOptions, build_engine
from lunar_student import build_student

pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")

FP32 = {"fp32"}
LOWER: tuple[Precision, ...] = ("fp16", "int8")
FAMILY = ("S0", "S1", "S2", "S3", "S4")
OUTPUTS: tuple[OutputSet, ...] = ("left", "both")


def build(model: onnx.ModelProto, folder: Path) -> EngineDescription:
    path = write_model(model, folder)["model.onnx"]
    return build_engine(import_library("tensorrt-rtx"), path, BuildOptions(2 << 30)).description


def check_tensors(description: EngineDescription, outputs: OutputSet, size: int) -> None:
    tensors = {t.name: (t.mode, t.dtype, t.shape[:3]) for t in description.tensors}
    images = dict.fromkeys(("left", "right"), ("input", "uint8", (1, 1, size)))
    maps = dict.fromkeys(OUTPUT_NAMES[outputs], ("output", "float32", (1, size, size)))
    assert tensors == {**images, **maps}


def measure(model: onnx.ModelProto, size: int, folder: Path) -> Measured:
    """Ranges on images of noise."""
    rng = np.random.default_rng(0)
    pairs = [
        CalibrationPair(str(i), *rng.integers(0, 256, (2, size, size), np.uint8)) for i in range(2)
    ]
    return measure_ranges(model, pairs, measured_tensors(model), folder)


def test_a_small_student_builds_and_multiplies_in_fp32(traced: TracedSmall, tmp_path: Path) -> None:
    description = build(traced("S0", "left", 64, 64).model, tmp_path)
    assert description.precisions().keys() == FP32
    check_tensors(description, "left", 64)


@pytest.mark.parametrize("precision", LOWER)
def test_a_small_student_builds_and_multiplies_in_a_lower_precision(
    precision: Precision, traced: TracedSmall, tmp_path: Path
) -> None:
    measured = measure(traced("S0", "left", 64, 64).model, 64, tmp_path)
    lowered = lower(measured, Recipe(precision, "tensorrt")).model
    check_graph(lowered, precision)
    description = build(lowered, tmp_path)
    counts = description.precisions()
    # All but the first and the last layer, and what TensorRT merges with them.
    assert counts[precision] > 0.8 * sum(counts.values())
    assert counts["fp32"] >= 1  # the last layer
    check_tensors(description, "left", 64)


def family_graph(member: str, outputs: OutputSet, folder: Path) -> onnx.ModelProto:
    """A member's FP32 graph with random weights."""
    torch.manual_seed(0)
    return trace_student(build_student(member).eval(), outputs, 256, 256, folder).model


@pytest.mark.slow
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("member", FAMILY)
def test_the_family_builds_and_multiplies_in_fp32(
    member: str, outputs: OutputSet, tmp_path: Path
) -> None:
    description = build(family_graph(member, outputs, tmp_path), tmp_path)
    assert description.precisions().keys() == FP32
    check_tensors(description, outputs, 256)


@pytest.fixture(scope="module", params=OUTPUTS)
def outputs(request: pytest.FixtureRequest) -> OutputSet:
    chosen: OutputSet = request.param
    return chosen


@pytest.fixture(scope="module", params=FAMILY)
def measured(
    request: pytest.FixtureRequest,
    outputs: OutputSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Measured:
    """A member's FP32 graph with random weights, and its ranges on images of noise."""
    folder = tmp_path_factory.mktemp(request.param)
    return measure(family_graph(request.param, outputs, folder), 256, folder)


@pytest.mark.slow
@pytest.mark.parametrize("precision", LOWER)
def test_the_family_builds_and_multiplies_in_a_lower_precision(
    precision: Precision, measured: Measured, outputs: OutputSet, tmp_path: Path
) -> None:
    lowered = lower(measured, Recipe(precision, "tensorrt")).model
    check_graph(lowered, precision)
    description = build(lowered, tmp_path)
    counts = description.precisions()
    # Islands stay in FP32 on purpose; the bulk of the arithmetic does not.
    assert counts[precision] > sum(counts.values()) / 2
    check_tensors(description, outputs, 256)
