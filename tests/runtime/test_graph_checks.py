"""A manifest that says of its graph what is not so is refused, whoever signed it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.choices import OUTPUT_SETS
from lunar_runtime.bundles.graph_checks import graph_contradiction
from lunar_runtime.bundles.manifest import CalibrationRecord, Manifest, StudentRecord
from lunar_runtime.bundles.onnx_file import OnnxFile, read_onnx
from lunar_runtime.errors import BundleError
from onnx import TensorProto, helper, numpy_helper

CALIBRATION = CalibrationRecord(digest="0" * 64, count=1, method="minmax")


@pytest.fixture(scope="module")
def packaged() -> tuple[OnnxFile, Manifest]:
    bundle = Bundle.open(default_bundle_path())
    return read_onnx(bundle.model().content), bundle.manifest


def test_true_manifests_are_taken(bundles: dict[str, Path]) -> None:
    for path in (default_bundle_path(), *(bundles[each] for each in OUTPUT_SETS)):
        assert Bundle.open(path).model().content == (path / "model.onnx").read_bytes()


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("precision", "fp16", "the graph is not fp16 as the manifest says"),
        ("precision", "int8", "the graph is not int8 as the manifest says"),
        ("graph.opset", 17, "of opset 18, not 17 as the manifest says"),
        ("graph.inputs.0.dtype", "float32", r"input left is uint8 \(1, 1, 256, 256\), not float32"),
        ("graph.outputs.0.shape", (1, 128, 128, 3), r"not float32 \(1, 128, 128, 3\)"),
        ("graph.outputs.1.name", "certainty", "the graph has no output certainty"),
        ("student.parameters", 74407800, "no network of 74407800 parameters"),
        ("student.parameters", 400000, "no network of 400000 parameters"),
    ],
)
def test_a_false_manifest_is_refused(
    packaged: tuple[OnnxFile, Manifest], place: str, value: object, reason: str
) -> None:
    graph, manifest = packaged
    fields = msgspec.to_builtins(manifest)
    *parents, last = place.split(".")
    record = fields
    for parent in parents:
        record = record[int(parent) if parent.isdigit() else parent]
    record[last] = value
    problem = graph_contradiction(graph, msgspec.convert(fields, Manifest))
    assert problem is not None
    assert re.search(reason, problem)


def half_weights(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name.endswith("_constant"):
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def quantise(model: onnx.ModelProto) -> None:
    scale = numpy_helper.from_array(np.float32(1), "scale")
    weight = numpy_helper.from_array(np.ones(4, np.int8), "weight")
    model.graph.initializer.extend([scale, weight])
    model.graph.node.append(helper.make_node("DequantizeLinear", ["weight", "scale"], ["unread"]))


@pytest.mark.parametrize(("change", "precision"), [(half_weights, "fp16"), (quantise, "int8")])
def test_another_precision_than_the_manifests_is_refused(
    bundles: dict[str, Path],
    tmp_path: Path,
    make_manifest: Callable[..., Manifest],
    change: Callable[[onnx.ModelProto], None],
    precision: str,
) -> None:
    model = onnx.load(bundles["left"] / "model.onnx")
    change(model)
    files: dict[str, Path | bytes] = {
        "model.onnx": model.SerializeToString(),
        "golden.npz": bundles["left"] / "golden.npz",
    }
    false = write_bundle(tmp_path / "false", make_manifest("left"), files)
    with pytest.raises(BundleError, match="the graph is not fp32 as the manifest says"):
        false.model()
    true = make_manifest("left", precision=precision, calibration=CALIBRATION)
    write_bundle(tmp_path / "true", true, files).model()


def test_an_input_that_nobody_knows_is_refused(
    bundles: dict[str, Path], tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    model = onnx.load(bundles["left"] / "model.onnx")
    model.graph.input.append(helper.make_tensor_value_info("third", TensorProto.FLOAT, (1,)))
    files: dict[str, Path | bytes] = {
        "model.onnx": model.SerializeToString(),
        "golden.npz": bundles["left"] / "golden.npz",
    }
    bundle = write_bundle(tmp_path / "b", make_manifest("left"), files)
    with pytest.raises(BundleError, match="the manifest does not know input third"):
        bundle.model()


def test_students_of_any_number_of_parameters_can_be_told_apart(
    make_manifest: Callable[..., Manifest],
) -> None:
    """The bounds are wide: tables, and what the outputs do not need."""
    student = StudentRecord(id="S0", parameters=10_000_000, checkpoint_sha256=None, config={})
    manifest = make_manifest("left", student=student)
    for values, right in ((1_000_000, False), (4_300_000, True), (11_000_000, True),
                          (16_000_000, False)):  # fmt: skip
        graph = OnnxFile(opsets={"": 18})
        graph.values["float32"] = values
        inputs = {t.name: (t.dtype, t.shape) for t in manifest.graph.inputs}
        outputs = {t.name: (t.dtype, t.shape) for t in manifest.graph.outputs}
        graph.inputs.update(inputs)  # type: ignore[arg-type]
        graph.outputs.update(outputs)  # type: ignore[arg-type]
        assert (graph_contradiction(graph, manifest) is None) == right
