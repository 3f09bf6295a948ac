"""Whole exports of small students, run as the runtime runs them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from export.comparison import assert_equal, expected, grey, run
from export.conftest import COLUMNS, ROWS, Small, last_layer
from lunar_export import ExportOptions, export_bundle
from lunar_export.graph.model_file import SizeLimits
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_runtime import StereoRuntime
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.errors import GateError, OutputError, UsageError
from lunar_student import Student
from lunar_student.encoders import Encoded
from torch import Tensor


def test_the_manifest_says_what_was_made(everything: Bundle, small: Small) -> None:
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


def test_the_golden_pair_passes_on_the_machine_that_made_it(everything: Bundle) -> None:
    with StereoRuntime.load(everything) as runtime:
        errors = runtime.check_golden()
    assert set(errors) == set(OUTPUT_NAMES["all"])
    assert max(errors.values()) <= FP32_TOLERANCE


@pytest.fixture(scope="session")
def in_two_files(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The teacher's path, with its limits lowered; and no real imagery at hand."""
    sizes = SizeLimits(one_file_bytes=1_000_000, whole_bytes=1_000_000, matrix_bytes=10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_DATA", "/nowhere")
        out = tmp_path_factory.mktemp("two") / "bundle"
        return export_bundle(small("S0"), out, ExportOptions("both", 64, 64, sizes=sizes))


def test_a_model_too_large_for_one_file_comes_in_two_and_computes_the_same(
    in_two_files: Bundle, small: Small
) -> None:
    bundle = in_two_files
    assert sorted(bundle.manifest.files) == ["golden.npz", "model.onnx", "model.onnx.data"]
    assert "without its" in bundle.manifest.versions["simplifier"]
    assert (bundle.path / "model.onnx").stat().st_size < 1_000_000
    left, right = grey(64, 64, 7), grey(64, 64, 8)
    want = expected(small("S0"), left, right, "both")
    assert_equal(run(bundle.model_path, left, right), want)


def test_without_real_imagery_the_manifest_says_rendered_only(in_two_files: Bundle) -> None:
    assert in_two_files.manifest.parity.pairs_source == (
        "rendered nadir, rendered oblique, rendered dynamic"
    )


def test_the_runtime_takes_the_bundle_from_here(in_two_files: Bundle) -> None:
    golden = in_two_files.golden()
    with StereoRuntime.load(in_two_files) as runtime:
        assert runtime.infer(golden.left, golden.right).depth.shape == (64, 64)


def test_an_existing_bundle_is_not_replaced_by_accident(in_two_files: Bundle, small: Small) -> None:
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        export_bundle(small("S0"), in_two_files.path, ExportOptions("left", 64, 64))


def test_a_network_that_gives_nan_is_refused_before_any_tracing(
    small: Small, tmp_path: Path
) -> None:
    student = copy.deepcopy(small("S0"))
    bias = last_layer(student.downstream_head1.dpt.head).bias
    assert bias is not None
    bias.data.fill_(float("nan"))
    with pytest.raises(GateError) as caught:
        export_bundle(student, tmp_path / "bundle", ExportOptions("left", 64, 64))
    assert str(caught.value) == (
        "the network itself gives NaN or infinity in pointmap_left on the rendered nadir pair; "
        "nothing was written. Use a checkpoint whose training did not diverge"
    )
    assert list(tmp_path.iterdir()) == []


class Shifted(Student):
    """Its graph sees every image half a grey level brighter than the network does."""

    def encode(self, image: Tensor) -> Encoded:
        return super().encode(image + 0.5 if torch.compiler.is_exporting() else image)


def test_a_graph_that_differs_is_refused_in_one_line_and_leaves_nothing(
    small: Small, tmp_path: Path
) -> None:
    student = Shifted(small("S0").config)
    student.load_state_dict(small("S0").state_dict())
    with pytest.raises(GateError) as caught:
        export_bundle(student.eval(), tmp_path / "new" / "bundle", ExportOptions("left", 64, 64))
    message = str(caught.value)
    assert message.startswith("the graph differs from the network: pointmap_left by up to ")
    assert message.endswith("constraints.txt names") and "\n" not in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ExportOptions(height=500),
            "`height` 500: must be a multiple of 16 from 32 to 4096; the nearest is 496",
        ),
        (
            ExportOptions(width=16),
            "`width` 16: must be a multiple of 16 from 32 to 4096; the nearest is 32",
        ),
        (
            ExportOptions("all"),
            "`outputs` all: small-S0 has no descriptors; use both",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(
    options: ExportOptions, message: str, small: Small, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        export_bundle(small("S0"), tmp_path / "bundle", options)
    assert str(caught.value) == message
