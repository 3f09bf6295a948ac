"""Exports of lower precision, whole: a small student, few small pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import pytest
from export.conftest import Small, TracedSmall
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export import ExportOptions, PrecisionOptions, export_bundle
from lunar_export.graph.model_file import SizeLimits
from lunar_export.judging.gate import GateLimits
from lunar_export.judging.sensitivity import blocks
from lunar_export.judging.slope_error import SlopeError
from lunar_export.lowering.lower import Recipe
from lunar_export.pairs.calibration import check_calibration, render_calibration
from lunar_export.pairs.choose import PairCounts
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_runtime import StereoRuntime
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.doubts import gate_warning
from lunar_runtime.bundles.manifest import (
    CalibrationRecord,
    GateRecord,
    ReductionRecord,
)
from lunar_runtime.errors import GateError, InputError, UsageError
from lunar_student import save_checkpoint
from numpy.typing import NDArray
from onnx import TensorProto

SIZE = 64
FEW = PairCounts(gate=1, calibration=3)
NOTHING_MAY_SHIFT = GateLimits(fp16_shift_deg=1e-9, int8_shift_deg=1e-9, share_kept=0.0)

Judged: TypeAlias = tuple[Bundle, GateRecord]


@pytest.fixture(scope="module", autouse=True)
def no_real_pairs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUNAR_DATA", "/nowhere")
        yield


def export(
    small: Small,
    traced: TracedSmall,
    out: Path,
    precision: PrecisionOptions,
    checkpoint: Path | None = None,
    **options: Any,
) -> Judged:
    gates: list[GateRecord] = []
    bundle = export_bundle(
        small("S0"),
        out,
        ExportOptions("left", SIZE, SIZE, precision, counts=FEW, **options),
        checkpoint=checkpoint,
        traced=traced("S0", "left", SIZE, SIZE),
        on_gate=gates.append,
    )
    return bundle, gates[0]


@pytest.fixture(scope="module")
def fp16(small: Small, traced: TracedSmall, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    out = tmp_path_factory.mktemp("fp16") / "bundle"
    return export(small, traced, out, PrecisionOptions("fp16", "tensorrt"))


@pytest.fixture(scope="module")
def int8(small: Small, traced: TracedSmall, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    # Of a checkpoint, so that it is judged; its slopes mean nothing, so it is forced.
    folder = tmp_path_factory.mktemp("int8")
    save_checkpoint(small("S0"), folder / "s0.safetensors")
    options = PrecisionOptions(
        "int8", "tensorrt", calib_method="minmax", force=True, limits=NOTHING_MAY_SHIFT
    )
    return export(small, traced, folder / "bundle", options, folder / "s0.safetensors")


@pytest.fixture(scope="module")
def unjudged(small: Small, traced: TracedSmall, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    out = tmp_path_factory.mktemp("unjudged") / "bundle"
    options = PrecisionOptions("int8", "tensorrt", calib_method="minmax", force=True)
    return export(small, traced, out, options)


def calibration_of(bundle: Bundle) -> CalibrationRecord:
    assert bundle.manifest.calibration is not None
    return bundle.manifest.calibration


def reduction_of(bundle: Bundle) -> ReductionRecord:
    assert bundle.manifest.reduction is not None
    return bundle.manifest.reduction


def initializers(bundle: Bundle) -> dict[str, onnx.TensorProto]:
    return {t.name: t for t in onnx.load(bundle.model_path).graph.initializer}


def test_fp16_halves_the_weights_keeps_the_slopes_and_says_so(fp16: Judged) -> None:
    bundle, gate = fp16
    manifest = bundle.manifest
    assert (manifest.precision, manifest.target, manifest.gate) == ("fp16", "tensorrt", "passed")
    assert reduction_of(bundle).gate == gate and gate.failures == ()
    assert 0 < gate.slope_shift_deg <= gate.slope_shift_limit_deg == 0.1
    assert gate.bytes < 0.6 * gate.fp32_bytes
    assert gate.latency_ratio is None and gate.latency == "not timed here: no TensorRT target"
    assert gate.pairs_source == "rendered nadir, rendered oblique, rendered dynamic"
    assert reduction_of(bundle).kept["dec_norm/LayerNormalization"] == "statistics"
    assert manifest.graph.opset == 19
    # The FP32 graph it was made from was compared with the network, value by value.
    assert manifest.parity.tolerance == 1e-4


def test_what_ranges_were_measured_on_is_named_by_its_pixels(fp16: Judged, int8: Judged) -> None:
    first, second = calibration_of(fp16[0]), calibration_of(int8[0])
    assert first.digest == second.digest == render_calibration(SIZE, SIZE, 3).digest
    assert (second.count, second.method, second.source) == (3, "minmax", "3 rendered pairs")


def test_int8_stores_the_weights_of_all_but_the_first_and_the_last_layer_in_a_byte(
    int8: Judged,
) -> None:
    bundle, gate = int8
    reduction = reduction_of(bundle)
    kept = sum(tensor.data_type == TensorProto.INT8 for tensor in initializers(bundle).values())
    assert kept > 0
    reasons = set(reduction.kept.values())
    assert reasons == {
        "first layer: half a grey level would be lost",
        "last layer: the pointmap itself",
    }
    assert gate.bytes < 0.45 * gate.fp32_bytes


@pytest.mark.parametrize("name", ["fp16", "int8", "unjudged"])
def test_the_runtime_takes_the_bundle_and_its_golden_pair_passes(
    name: str, request: pytest.FixtureRequest
) -> None:
    bundle, _ = request.getfixturevalue(name)
    with StereoRuntime.load(bundle, device="cpu") as runtime:
        errors = runtime.check_golden()
        golden = bundle.golden()
        assert runtime.infer(golden.left, golden.right, refine="off").depth.shape == (SIZE, SIZE)
    assert max(errors.values()) > 0


def test_a_bundle_that_fails_is_refused_in_one_line_and_leaves_nothing(
    small: Small, traced: TracedSmall, tmp_path: Path
) -> None:
    options = PrecisionOptions("fp16", "tensorrt", limits=NOTHING_MAY_SHIFT)
    with pytest.raises(GateError) as caught:
        export(small, traced, tmp_path / "bundle", options)
    assert str(caught.value).startswith("the fp16 graph fails its gate: slopes shift by 0.0")
    assert str(caught.value).count("\n") == 0
    assert list(tmp_path.iterdir()) == []


def test_weights_too_large_for_one_file_are_lowered_all_the_same(
    small: Small, traced: TracedSmall, tmp_path: Path, unjudged: Judged
) -> None:
    options = PrecisionOptions("int8", "tensorrt", calib_method="minmax", force=True)
    sizes = SizeLimits(one_file_bytes=1_000_000)
    bundle, gate = export(small, traced, tmp_path / "bundle", options, sizes=sizes)
    assert sorted(bundle.manifest.files) == ["golden.npz", "model.onnx", "model.onnx.data"]
    # The same graph. Threads may add up in another order, and a value at the edge of a step of INT8
    # be rounded otherwise: one of thousands.
    assert gate.slope_shift_deg == pytest.approx(unjudged[1].slope_shift_deg, rel=0.01)


def test_a_graph_of_another_size_is_refused(
    small: Small, traced: TracedSmall, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        export_bundle(
            small("S0"),
            tmp_path / "bundle",
            ExportOptions("left", SIZE, 2 * SIZE),
            traced=traced("S0", "left", SIZE, SIZE),
        )
    assert str(caught.value) == (
        "`traced` gives left of 64x64 px, not left of 64x128; leave it out"
    )


def test_a_forced_bundle_that_fails_says_so_and_why(int8: Judged) -> None:
    bundle, gate = int8
    assert bundle.manifest.gate == "failed"
    assert gate.failures[0].endswith("deg, 1e-09 is allowed")
    assert reduction_of(Bundle.open(bundle.path)).gate == gate


def test_random_weights_that_are_forced_are_measured_on_a_pair_and_say_that_nothing_was_judged(
    unjudged: Judged,
) -> None:
    bundle, gate = unjudged
    manifest = bundle.manifest
    assert manifest.gate == "failed"
    assert gate.failures == ("the weights are random: there is no accuracy to judge",)
    assert gate_warning(manifest) == (
        "it did not pass the accuracy gate of its export (the weights are random: there is no "
        "accuracy to judge)"
    )
    assert (gate.pairs, gate.pairs_source) == (1, "rendered nadir")
    assert manifest.parity.pairs == 1
    calibration = calibration_of(bundle)
    assert (calibration.count, calibration.source) == (2, "2 rendered pairs")
    # What was measured is told all the same.
    assert 0 < gate.slope_shift_deg < 90 and gate.bytes < 0.45 * gate.fp32_bytes


def test_blocks_are_parts_of_paths_as_long_as_they_must_be_to_differ() -> None:
    heads = ["head.dpt.scratch.refinenet2.out_conv", "head.dpt.head.0"]
    names = ["decoder_embed", "dec_blocks.0.attn.qkv", "dec_blocks.0.mlp.fc1", *heads]
    assert blocks(names) == {
        "decoder_embed": names[:1],
        "dec_blocks": names[1:3],
        "head": heads,
    }
    assert blocks(heads) == {"head.dpt.scratch": heads[:1], "head.dpt.head": heads[1:]}
    assert blocks(names[1:3]) == {"dec_blocks.0.attn": names[1:2], "dec_blocks.0.mlp": names[2:3]}
    assert blocks(["a.b"]) == {"a": ["a.b"]}


def test_a_recipe_keeps_what_it_kept() -> None:
    assert Recipe("int8", "cpu", "mse", frozenset("a")).keeping(["b"]).kept == {"a", "b"}
    assert SlopeError(0, None, {}, 0, 0).mae_deg is None


def pair(seed: int, name: str = "pair") -> CalibrationPair:
    return CalibrationPair(name, *np.random.default_rng(seed).integers(0, 256, (2, 8, 8), np.uint8))


def constant(side: str) -> CalibrationPair:
    flat: NDArray[np.uint8] = np.full((8, 8), 7, np.uint8)
    left, right = pair(0).left, pair(0).right
    return CalibrationPair(
        "pair", flat if side == "left" else left, flat if side == "right" else right
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [pair(0)],
            "`calib`: 1 pair in the set, 2 at least are needed (some tens are good); add pairs "
            "with lunar-calib",
        ),
        (
            [pair(0), constant("left")],
            "`calib`: pair: the left image is all 7; a constant image has no ranges to measure, "
            "leave the pair out",
        ),
        (
            [pair(0), constant("right")],
            "`calib`: pair: the right image is all 7; a constant image has no ranges to measure, "
            "leave the pair out",
        ),
        (
            [pair(0), pair(9, "copied")],
            "`calib`: copied is a pair of the gate (real), which may only see pairs that "
            "calibrated nothing; leave the pair out",
        ),
    ],
)
def test_pairs_that_cannot_calibrate_are_refused_by_name(
    given: list[CalibrationPair], message: str
) -> None:
    held_out = [EvaluationPair("real", pair(9).left, pair(9).right)]
    with pytest.raises(InputError) as caught:
        check_calibration(given, held_out)
    assert str(caught.value) == message
