"""The search for what to quantise, on a graph of four layers of which one is spoilt for INT8."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.commands.progress import Silent
from lunar_export.judging.gate import judge
from lunar_export.judging.lower import enough, lower_precision
from lunar_export.judging.pairs import EvaluationPair
from lunar_export.judging.plot import draw_decisions
from lunar_export.judging.run_graph import run_graph
from lunar_export.judging.sensitivity import Sensitivity, Tuning, rank_modules
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.lowering.placement import measured_tensors
from lunar_export.lowering.ranges import collect_ranges
from lunar_export.lowering.reduce import Recipe, reduce_precision
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
SPOILT = "spoilt"


def network():
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
    images = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, (1, 1, SIZE, SIZE))
        for name in ("left", "right")
    ]
    output = helper.make_tensor_value_info("pointmap_left", TensorProto.FLOAT, (1, SIZE, SIZE, 3))
    graph = helper.make_graph(
        nodes,
        "g",
        images,
        [output],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), np.uint8)


@pytest.fixture(scope="module")
def tuning(tmp_path_factory):
    model = network()
    calibration = [CalibrationPair(str(i), image(2 * i), image(2 * i + 1)) for i in range(3)]
    work = tmp_path_factory.mktemp("ranges")
    ranges = collect_ranges(model, calibration, measured_tensors(model), work)
    pairs = [EvaluationPair("noise", image(100), image(101))]
    outputs = run_graph(reduce_precision(model, ranges, Recipe("fp32", "tensorrt")), "cpu", pairs)
    reference = SlopeReference(pairs, outputs)
    return Tuning(model, ranges, pairs, reference, reference.measure(outputs))


def lower(tuning, **options):
    recipe = Recipe("int8", "tensorrt")

    def measure(reduced):
        return tuning.reference.measure(run_graph(reduced, "tensorrt", tuning.pairs))

    choices = {"choose_method": False, "always_rank": False, "give_back": True} | options
    return lower_precision(tuning, recipe, measure, tuning.fp32, progress=Silent(), **choices)


def test_a_module_s_cost_is_what_it_does_alone(tuning):
    ranking = rank_modules(tuning, Recipe("int8", "tensorrt"))
    assert {entry.name for entry in ranking} == {"first", "good", SPOILT, "last"}
    assert (ranking[0].name, ranking[0].modules) == (SPOILT, (SPOILT,))
    costs = {entry.name: entry.shift_deg for entry in ranking}
    # Kept by rule, so that nothing but the FP16 around them is left.
    assert costs["first"] == costs["last"] < 0.01
    assert 0 < costs["good"] < 0.5 < costs[SPOILT]


def test_the_layer_that_breaks_the_gate_is_given_back_and_no_other(tuning, tmp_path):
    lowered = lower(tuning)
    assert lowered.recipe.kept == {SPOILT}
    assert lowered.reduced.kept[f"{SPOILT}/Conv"] == "sensitivity"
    assert len(lowered.steps) == 2 and lowered.steps[1] < 0.5 < lowered.steps[0]
    gate = judge("int8", lowered.error, tuning.fp32, None, 1, "noise", (1, 1))
    assert gate.failures == ()
    draw_decisions(lowered, gate, tmp_path / "layers.png")
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
def test_as_many_are_given_back_as_their_squares_say(shift, allowed, count):
    ranking = [Sensitivity(str(i), (str(i),), value, 0.0) for i, value in enumerate((3, 2, 1, 0.5))]
    assert enough(ranking, shift, allowed) == count


def test_nothing_is_given_back_where_that_is_not_wanted(tuning):
    lowered = lower(tuning, give_back=False)
    assert lowered.recipe.kept == set() and lowered.ranking == ()
    assert lowered.error.shift_deg > 0.5


def test_the_method_that_keeps_slopes_best_is_taken(tuning):
    lowered = lower(tuning, choose_method=True, give_back=False)
    assert lowered.recipe.method == min(lowered.tried, key=lowered.tried.get)
    assert len(lowered.tried) == 6
