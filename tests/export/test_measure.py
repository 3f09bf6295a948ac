"""Ranges of activations that are known beforehand, and the thresholds taken from them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import onnx
import pytest
from export.small_graphs import Array, model_of
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_export.choices import METHODS, Method
from lunar_export.lowering.histogram import BINS, Histogram, TensorRange
from lunar_export.lowering.instrument import open_session
from lunar_export.lowering.measure import measure_ranges
from lunar_export.lowering.thresholds import threshold, thresholds
from lunar_runtime.errors import InputError
from onnx import TensorProto, helper


def ramp_model(scale: float = 1.0) -> onnx.ModelProto:
    """Two images; twice their difference, a 1×1 convolution to two channels, its exponential."""
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
    images = dict.fromkeys(("left", "right"), (1, 1, 4, 8))
    return model_of(nodes, images, {"y": (1, 1, 4, 8)}, tensors, kind=TensorProto.UINT8)


def pair(low: float, high: float, name: str = "a pair") -> CalibrationPair:
    left = np.linspace(low, high, 32).round().astype(np.uint8).reshape(4, 8)
    return CalibrationPair(name, left, np.zeros_like(left))


def test_extremes_channels_and_distribution_are_those_of_all_pairs(tmp_path: Path) -> None:
    steps: list[int] = []
    found = measure_ranges(
        ramp_model(0.1), [pair(10, 20), pair(5, 15)], ["c"], tmp_path, lambda: steps.append(1)
    )
    assert (found.pairs, len(steps)) == (2, 2)
    assert list(tmp_path.iterdir()) == []
    c = found.ranges["c"]
    assert (c.low, c.high, c.peak) == pytest.approx((-4.0, 2.0, 4.0))
    assert c.channel_mean is not None and c.histogram is not None
    means = np.mean([pair(10, 20).left.mean(), pair(5, 15).left.mean()]) * 0.1
    np.testing.assert_allclose(c.channel_mean, [means, -2 * means], rtol=1e-6)
    assert c.histogram.counts.sum() == 2 * 64
    assert found.ranges["d"].histogram is None
    assert found.ranges["d"].high == pytest.approx(2.0)


def test_without_histograms_only_minmax_can_be_had(tmp_path: Path) -> None:
    graph, pairs, names = ramp_model(0.1), [pair(10, 20)], ["c", "d", "s"]
    whole = measure_ranges(graph, pairs, names, tmp_path)
    found = measure_ranges(graph, pairs, names, tmp_path, histograms=False)
    for name in names:
        a, b = found.ranges[name], whole.ranges[name]
        assert a.histogram is None and a.peak == b.peak
        np.testing.assert_array_equal(a.channel_mean, b.channel_mean)
    limits = thresholds(found.ranges, "minmax")
    assert {name: limits[name] for name in names} == {
        name: thresholds(whole.ranges, "minmax")[name] for name in names
    }
    assert thresholds(found.ranges, "mse") == {}


def test_the_outputs_of_a_graph_are_measured_too_and_it_is_not_changed(tmp_path: Path) -> None:
    model = ramp_model(0.1)
    before = model.SerializeToString()
    found = measure_ranges(model, [pair(10, 20)], ["c", "y"], tmp_path)
    assert found.ranges["y"].low == pytest.approx(-2.0)
    assert model.SerializeToString() == before


def test_activations_too_large_for_one_run_are_fetched_in_several(tmp_path: Path) -> None:
    given = ramp_model(0.1), [pair(10, 20)], ["c", "d", "s"], tmp_path
    once = measure_ranges(*given)
    several = measure_ranges(*given, held_bytes=4 * 64)
    for name in once.ranges:
        a, b = once.ranges[name], several.ranges[name]
        assert (a.low, a.high) == (b.low, b.high)
        if a.histogram is not None:
            assert b.histogram is not None
            assert (a.histogram.counts == b.histogram.counts).all()


def test_a_session_takes_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    session = open_session(ramp_model(), tmp_path, 3)
    assert session.get_session_options().intra_op_num_threads == 3
    assert list(tmp_path.iterdir()) == []


def test_an_activation_that_is_infinite_names_the_pair_and_the_tensor(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        measure_ranges(ramp_model(100.0), [pair(10, 20, "crater 7")], ["c"], tmp_path)
    assert str(caught.value) == (
        "calibration pair crater 7: the network gives NaN or infinity at e; leave the pair out, or "
        "use a checkpoint whose training did not diverge"
    )


def test_a_histogram_that_grows_keeps_every_count_in_its_place() -> None:
    histogram = Histogram()
    histogram.add(np.array([0.5, -0.25, 0.0], np.float32))
    histogram.add(np.array([3.0], np.float32))
    assert histogram.limit == 4 * 0.5 * 2
    edges = np.linspace(-4, 4, BINS + 1)
    for value in (0.499, -0.249, 0.001, 3.001):
        place = np.searchsorted(edges, value) - 1
        assert histogram.counts[place] == 1
    assert histogram.counts.sum() == 4
    centres, counts = histogram.magnitudes()
    assert counts.sum() == 4 and centres[0] > 0


def seen(values: Array) -> TensorRange:
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return TensorRange(float(values.min()), float(values.max()), histogram)


def test_minmax_clips_nothing() -> None:
    assert threshold(seen(np.array([-3.0, 2.0])), "minmax") == 3.0


@pytest.mark.parametrize("share", [99.9, 99.99])
def test_a_percentile_clips_that_share_of_a_uniform_distribution(share: float) -> None:
    values = np.linspace(-1, 1, 1_000_001)
    got = threshold(seen(values), cast(Method, f"percentile {share}"))
    assert got == pytest.approx(share / 100, abs=2 / BINS)  # a bin


def test_mse_clips_one_outlier_and_keeps_a_uniform_distribution() -> None:
    uniform = np.linspace(-1, 1, 100_001)
    assert threshold(seen(uniform), "mse") > 0.97
    # Minimum of (20 − t)² + n (t/127)²/12, over candidates 3 % apart.
    best = 20 / (1 + len(uniform) / (12 * 127**2))
    assert threshold(seen(np.append(uniform, 20.0)), "mse") == pytest.approx(best, rel=0.05)
    # A normal distribution in 8 bits: about 4 standard deviations (Banner et al. 2019: 3.92).
    normal = np.random.default_rng(0).normal(size=400_000)
    assert threshold(seen(normal), "mse") == pytest.approx(3.92, rel=0.1)


def test_zeros_of_a_relu_do_not_make_entropy_clip_the_rest() -> None:
    normal = np.random.default_rng(0).normal(size=400_000)
    relu = np.maximum(normal, 0)
    assert threshold(seen(relu), "entropy") > 2


def test_entropy_keeps_what_is_populated_and_drops_an_outlier() -> None:
    uniform = np.linspace(-1, 1, 100_001)
    assert threshold(seen(uniform), "entropy") > 0.9
    assert threshold(seen(np.append(uniform, 20.0)), "entropy") < 4


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_positive_threshold_no_larger_than_the_largest_value(
    method: Method,
) -> None:
    for values in (np.zeros(100), np.full(100, 1e-20), np.random.default_rng(1).normal(size=1000)):
        got = threshold(seen(values), method)
        assert 0 < got <= (np.abs(values).max() or 1.0) * (1 + 1e-6)


def test_tensors_without_a_distribution_have_no_threshold(tmp_path: Path) -> None:
    found = measure_ranges(ramp_model(0.1), [pair(1, 9)], ["c"], tmp_path)
    assert set(thresholds(found.ranges, "mse")) == {"c"}
