"""Roughness over the truth's, on ground whose roughness is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_bench.refinement.roughness import WINDOWS_PX, roughness_over_truth
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.fields import blurred


def rough(pair: KnownPair, depth: np.ndarray) -> dict[str, float]:
    return roughness_over_truth(depth, pair, np.isfinite(pair.depth))


def test_the_truth_in_another_unit_is_as_rough(rendered_pair: KnownPair) -> None:
    found = rough(rendered_pair, 0.01 * rendered_pair.depth)
    assert found == {str(side): pytest.approx(1, abs=1e-3) for side in WINDOWS_PX}


def test_relief_of_half_the_height_is_half_as_rough(rendered_pair: KnownPair) -> None:
    middle = np.nanmedian(rendered_pair.depth)
    rows, columns = np.mgrid[: rendered_pair.depth.shape[0], : rendered_pair.depth.shape[1]]
    relief = 0.002 * middle * np.sin(columns / 2) * np.sin(rows / 2)
    pair = replace(rendered_pair, depth=np.asarray(middle + relief, np.float32))
    found = rough(pair, middle + relief / 2)
    # The logarithm and float32 bend it by a thousandth.
    assert all(ratio == pytest.approx(0.5, abs=2e-3) for ratio in found.values())


def test_what_is_smoothed_is_less_rough_in_small_windows(rendered_pair: KnownPair) -> None:
    found = rough(rendered_pair, blurred(rendered_pair.depth, 2.0))
    assert found["5"] < found["11"] < found["21"] < 1


def test_steps_of_half_floats_take_as_much_of_both(rendered_pair: KnownPair) -> None:
    far = np.asarray(rendered_pair.depth * (30e3 / np.nanmedian(rendered_pair.depth)), np.float32)
    smooth = replace(rendered_pair, depth=blurred(far, 3.0))  # as if taken out of its steps
    against_exact = rough(smooth, far)
    against_steps = rough(replace(smooth, half_floats=True), far)
    assert against_steps["5"] < against_exact["5"]
