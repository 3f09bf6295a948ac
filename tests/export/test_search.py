"""The search for what to quantise, on a graph of four layers of which one is spoilt for INT8."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from export.small_graphs import model_of
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.judging.gate import GateSubject, gate_record
from lunar_export.judging.reference import Reference
from lunar_export.judging.run_graph import run_graph
from lunar_export.judging.search import (
    Found,
    SearchPlan,
    enough,
    in_turn,
    search_precision,
)
from lunar_export.judging.search_plot import draw_search
from lunar_export.judging.sensitivity import Sensitivity, rank_modules
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.lowering.lower import Recipe, lower
from lunar_export.lowering.measure import Measured, measure_ranges
from lunar_export.lowering.placement import measured_tensors
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from numpy.typing import NDArray
from onnx import TensorProto, helper

SIZE = 32
SPOILT = "spoilt"


def network() -> onnx.ModelProto:
    """Depth is 1 plus a fifth of what four convolutions make of the left image."""
    rng = np.random.default_rng(0)
    tensors = {
        "grey": np.array(127.5, np.float32),
        "first": (rng.normal(size=(4, 1, 3, 3)) / 400).astype(np.float32),
        "good": (rng.normal(size=(4, 4, 3, 3)) / 6).astype(np.float32),
        SPOILT: (rng.normal(size=(4, 4, 3, 3)) / 6).astype(np.float32),
        "last": (rng.normal(size=(1, 4, 1, 1)) / 4).astype(np.float32),
        "share": np.array(0.2, np.float32),
        "one": np.array(1, np.float32),
        "rays": pixel_rays(Intrinsics(40, 40, 16, 16), SIZE, SIZE)[None].astype(np.float32),
    }
    # A weight that nothing excites: every other weight of its channel is below a step.
    tensors[SPOILT][:, 3] = 0
    tensors[SPOILT][:, 3, 1, 1] = 1000
    tensors["good"][3] = 0
    nodes = [
        helper.make_node("Cast", ["left"], ["l"], name="graph/Cast", to=TensorProto.FLOAT),
        helper.make_node("Cast", ["right"], ["unread"], name="graph/Cast_2", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["l", "grey"], ["x"], name="graph/Sub"),
        helper.make_node("Conv", ["x", "first"], ["a"], name="first/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="first/Relu"),
        helper.make_node("Conv", ["b", "good"], ["c"], name="good/Conv", pads=[1] * 4),
        helper.make_node("Conv", ["c", SPOILT], ["d"], name=f"{SPOILT}/Conv", pads=[1] * 4),
        helper.make_node("Conv", ["d", "last"], ["e"], name="last/Conv"),
        helper.make_node("Mul", ["e", "share"], ["f"], name="graph/Mul"),
        helper.make_node("Add", ["f", "one"], ["g"], name="graph/Add"),
        helper.make_node("Transpose", ["g"], ["h"], name="graph/Transpose", perm=[0, 2, 3, 1]),
        helper.make_node("Mul", ["h", "rays"], ["pointmap_left"], name="graph/Mul_2"),
    ]
    images = dict.fromkeys(("left", "right"), (1, 1, SIZE, SIZE))
    outputs = {"pointmap_left": (1, SIZE, SIZE, 3)}
    return model_of(nodes, images, outputs, tensors, kind=TensorProto.UINT8)


def image(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), np.uint8)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    model = network()
    calibration = [CalibrationPair(str(i), image(2 * i), image(2 * i + 1)) for i in range(3)]
    work = tmp_path_factory.mktemp("ranges")
    return measure_ranges(model, calibration, measured_tensors(model), work)


@pytest.fixture(scope="module")
def tuning(measured: Measured) -> SlopeReference:
    pairs = (EvaluationPair("noise", image(100), image(101)),)
    exact = run_graph(lower(measured, Recipe("fp32", "cpu")), pairs)
    return SlopeReference.of(Reference(pairs, tuple(exact)))


def search(measured: Measured, tuning: SlopeReference, plan: SearchPlan) -> Found:
    return search_precision(measured, Recipe("int8", "tensorrt"), tuning, tuning, plan)


def test_a_module_s_cost_is_what_it_does_alone(measured: Measured, tuning: SlopeReference) -> None:
    ranking = rank_modules(measured, Recipe("int8", "tensorrt"), tuning)
    assert {entry.name for entry in ranking} == {"first", "good", SPOILT, "last"}
    assert (ranking[0].name, ranking[0].modules) == (SPOILT, (SPOILT,))
    costs = {entry.name: entry.shift_deg for entry in ranking}
    # Kept by rule, so that nothing but the FP16 around them is left.
    assert costs["first"] == costs["last"] < 0.01
    assert 0 < costs["good"] < 0.5 < costs[SPOILT]


def test_the_layer_that_breaks_the_gate_is_given_back_and_no_other(
    measured: Measured, tuning: SlopeReference, tmp_path: Path
) -> None:
    found = search(measured, tuning, SearchPlan())
    assert found.recipe.kept == {SPOILT}
    assert found.trial.lowered.kept[f"{SPOILT}/Conv"] == "sensitivity"
    assert len(found.steps) == 2 and found.steps[1] < 0.5 < found.steps[0]
    subject = GateSubject("int8", 1, "noise", fp32_bytes=1, bytes=1)
    gate = gate_record(subject, found.trial.error, tuning.fp32, None)
    assert gate.failures == ()
    draw_search(found, gate, tmp_path / "layers.png")
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("shift", "allowed", "count"),
    [
        (5.0, 4.9, 1),  # of 14.25, 13.7 may stay, and 5.25 do
        (5.0, 2.0, 2),  # 2.28, 1.25
        (50.0, 20.0, 2),  # their shares count, not their size
        (5.0, 1.0, 3),
        (0.4, 0.5, 1),  # the slopes hold, the hazards do not
    ],
)
def test_as_many_are_given_back_as_their_squares_say(
    shift: float, allowed: float, count: int
) -> None:
    ranking = [Sensitivity(str(i), (str(i),), value, 0.0) for i, value in enumerate((3, 2, 1, 0.5))]
    assert enough(ranking, shift, allowed) == count


def test_what_mends_most_for_every_module_goes_first() -> None:
    block = Sensitivity("block", tuple("abcdefgh"), 0.2, 0.0)  # 0.005 deg² for each
    chance = Sensitivity("chance", ("x",), 0.01, 0.003)  # its hazards moved, its slopes did not
    single = Sensitivity("single", ("y",), 0.1, 0.0)
    ranking = sorted([block, chance, single], key=lambda entry: entry.cost, reverse=True)
    assert ranking[0] is chance
    assert in_turn(ranking, slopes=True) == [single, block, chance]
    assert in_turn(ranking, slopes=False)[0] is chance


def test_nothing_is_given_back_where_that_is_not_wanted(
    measured: Measured, tuning: SlopeReference
) -> None:
    found = search(measured, tuning, SearchPlan(give_back=False))
    assert found.recipe.kept == set() and found.ranking == ()
    assert found.trial.error.shift_deg > 0.5


def test_nothing_is_given_back_where_no_layer_may_be(
    measured: Measured, tuning: SlopeReference
) -> None:
    limits = dataclasses.replace(SearchPlan().limits, share_kept=0.0)
    found = search(measured, tuning, SearchPlan(limits=limits))
    assert found.recipe.kept == set() and found.ranking == ()


def test_the_method_that_keeps_slopes_best_is_taken(
    measured: Measured, tuning: SlopeReference
) -> None:
    found = search(measured, tuning, SearchPlan(choose_method=True, give_back=False))
    assert found.recipe.method == min(found.tried, key=lambda method: found.tried[method])
    assert len(found.tried) == 6
