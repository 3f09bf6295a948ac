"""Ranges of activations that are known beforehand, and the thresholds taken from them."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.lowering import ranges as ranges_module
from lunar_export.lowering.ranges import Histogram, TensorRange, collect_ranges
from lunar_export.lowering.thresholds import METHODS, threshold, thresholds
from lunar_runtime.errors import InputError
from onnx import TensorProto, helper, numpy_helper


def ramp_model(scale=1.0):
    """Two images; twice their difference, a 1×1 convolution to two channels, its exponential."""
    image = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, (1, 1, 4, 8))
        for name in ("left", "right")
    ]
    tensors = {
        "scale": np.array(scale, np.float32),
        "w": np.array([1, -2], np.float32).reshape(2, 1, 1, 1),
        "v": np.ones((1, 2, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["left"], ["l"], name="l", to=TensorProto.FLOAT),
        helper.make_node("Cast", ["right"], ["r"], name="r", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["l", "r"], ["s"], name="s"),
        helper.make_node("Mul", ["s", "scale"], ["d"], name="d"),
        helper.make_node("Conv", ["d", "w"], ["c"], name="c"),
        helper.make_node("Exp", ["c"], ["e"], name="e"),
        helper.make_node("Conv", ["c", "v"], ["y"], name="y"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        image,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 1, 4, 8))],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def pair(low, high, name="a pair"):
    left = np.linspace(low, high, 32).round().astype(np.uint8).reshape(4, 8)
    return CalibrationPair(name, left, np.zeros_like(left))


def test_extremes_channels_and_distribution_are_those_of_all_pairs(tmp_path):
    steps = []
    found = collect_ranges(
        ramp_model(0.1), [pair(10, 20), pair(5, 15)], ["c"], tmp_path, lambda: steps.append(1)
    )
    assert (found.pairs, len(steps)) == (2, 2)
    assert list(tmp_path.iterdir()) == []
    c = found.tensors["c"]
    assert (c.low, c.high, c.peak) == pytest.approx((-4.0, 2.0, 4.0))
    np.testing.assert_allclose(c.channel_peak, [2.0, 4.0], rtol=1e-6)
    means = np.mean([pair(10, 20).left.mean(), pair(5, 15).left.mean()]) * 0.1
    np.testing.assert_allclose(c.channel_mean, [means, -2 * means], rtol=1e-6)
    assert c.histogram.counts.sum() == 2 * 64
    assert found.tensors["d"].histogram is None
    assert found.tensors["d"].high == pytest.approx(2.0)


def test_without_histograms_only_minmax_can_be_had(tmp_path):
    graph, pairs, names = ramp_model(0.1), [pair(10, 20)], ["c", "d", "s"]
    whole = collect_ranges(graph, pairs, names, tmp_path)
    found = collect_ranges(graph, pairs, names, tmp_path, histograms=False)
    for name in names:
        a, b = found.tensors[name], whole.tensors[name]
        assert a.histogram is None and a.peak == b.peak
        np.testing.assert_array_equal(a.channel_mean, b.channel_mean)
    limits = thresholds(found, "minmax")
    assert {name: limits[name] for name in names} == {
        name: thresholds(whole, "minmax")[name] for name in names
    }
    assert thresholds(found, "mse") == {}


def test_the_outputs_of_a_graph_are_measured_too_and_it_is_not_changed(tmp_path):
    model = ramp_model(0.1)
    before = model.SerializeToString()
    found = collect_ranges(model, [pair(10, 20)], ["c", "y"], tmp_path)
    assert found.tensors["y"].low == pytest.approx(-2.0)
    assert model.SerializeToString() == before


def test_activations_too_large_for_one_run_are_fetched_in_several(tmp_path, monkeypatch):
    once = collect_ranges(ramp_model(0.1), [pair(10, 20)], ["c", "d", "s"], tmp_path)
    monkeypatch.setattr(ranges_module, "GROUP_BYTES", 4 * 64)
    several = collect_ranges(ramp_model(0.1), [pair(10, 20)], ["c", "d", "s"], tmp_path)
    for name in once.tensors:
        a, b = once.tensors[name], several.tensors[name]
        assert (a.low, a.high) == (b.low, b.high)
        if a.histogram is not None:
            assert (a.histogram.counts == b.histogram.counts).all()


def test_an_activation_that_is_infinite_names_the_pair_and_the_tensor(tmp_path):
    with pytest.raises(InputError) as caught:
        collect_ranges(ramp_model(100.0), [pair(10, 20, "crater 7")], ["c"], tmp_path)
    assert str(caught.value) == (
        "calibration pair crater 7: the network gives NaN or infinity at e; leave the pair out, or "
        "use a checkpoint whose training did not diverge"
    )


def test_a_histogram_that_grows_keeps_every_count_in_its_place():
    histogram = Histogram()
    histogram.add(np.array([0.5, -0.25, 0.0], np.float32))
    histogram.add(np.array([3.0], np.float32))
    assert histogram.limit == 4 * 0.5 * 2
    edges = np.linspace(-4, 4, ranges_module.BINS + 1)
    for value in (0.499, -0.249, 0.001, 3.001):
        place = np.searchsorted(edges, value) - 1
        assert histogram.counts[place] == 1
    assert histogram.counts.sum() == 4
    centres, counts = histogram.magnitudes()
    assert counts.sum() == 4 and centres[0] > 0


def seen(values):
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return TensorRange(float(values.min()), float(values.max()), histogram)


def test_minmax_clips_nothing():
    assert threshold(seen(np.array([-3.0, 2.0])), "minmax") == 3.0


@pytest.mark.parametrize("share", [99.9, 99.99])
def test_a_percentile_clips_that_share_of_a_uniform_distribution(share):
    values = np.linspace(-1, 1, 1_000_001)
    got = threshold(seen(values), f"percentile {share}")
    assert got == pytest.approx(share / 100, abs=2 / ranges_module.BINS)  # a bin


def test_mse_clips_one_outlier_and_keeps_a_uniform_distribution():
    uniform = np.linspace(-1, 1, 100_001)
    assert threshold(seen(uniform), "mse") > 0.97
    # Minimum of (20 − t)² + n (t/127)²/12, over candidates 3 % apart.
    best = 20 / (1 + len(uniform) / (12 * 127**2))
    assert threshold(seen(np.append(uniform, 20.0)), "mse") == pytest.approx(best, rel=0.05)
    # A normal distribution in 8 bits: about 4 standard deviations (Banner et al. 2019: 3.92).
    normal = np.random.default_rng(0).normal(size=400_000)
    assert threshold(seen(normal), "mse") == pytest.approx(3.92, rel=0.1)


def test_zeros_of_a_relu_do_not_make_entropy_clip_the_rest():
    normal = np.random.default_rng(0).normal(size=400_000)
    relu = np.maximum(normal, 0)
    assert threshold(seen(relu), "entropy") > 2


def test_entropy_keeps_what_is_populated_and_drops_an_outlier():
    uniform = np.linspace(-1, 1, 100_001)
    assert threshold(seen(uniform), "entropy") > 0.9
    assert threshold(seen(np.append(uniform, 20.0)), "entropy") < 4


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_positive_threshold_no_larger_than_the_largest_value(method):
    for values in (np.zeros(100), np.full(100, 1e-20), np.random.default_rng(1).normal(size=1000)):
        got = threshold(seen(values), method)
        assert 0 < got <= (np.abs(values).max() or 1.0) * (1 + 1e-6)


def test_tensors_without_a_distribution_have_no_threshold(tmp_path):
    found = collect_ranges(ramp_model(0.1), [pair(1, 9)], ["c"], tmp_path)
    assert set(thresholds(found, "mse")) == {"c"}
