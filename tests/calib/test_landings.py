"""Rendered landings: boulders by their law, cameras near the ground, exact truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.choices import GeometryKind
from lunar_calib.render.boulders import add_boulders
from lunar_calib.render.consistency import measure_consistency
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.specs.pair_spec import PairSpec, TerrainSpec
from numpy.typing import NDArray

FIELD = TerrainSpec(seed=1, cells=1024, cell_m=0.1, boulder_abundance=0.15, boulder_max_m=4.0)


def boulders(spec: TerrainSpec, seed: int = 0) -> NDArray[np.float32]:
    height = np.zeros((spec.cells, spec.cells), np.float32)
    add_boulders(height, spec, np.random.default_rng(seed))
    return height


def test_boulders_cover_the_ground_that_their_law_says() -> None:
    covered = np.mean([np.mean(boulders(FIELD, seed) > 1e-3) for seed in range(6)])
    rate = 1.79 + 0.152 / 0.15
    law = 0.15 * (math.exp(-rate * 0.3) - math.exp(-rate * 4.0))
    # They may lie on each other, which covers less: 1 - exp(-law), and outlines wobble.
    assert covered == pytest.approx(1 - math.exp(-law), rel=0.1)


def test_boulders_stand_a_third_of_their_width_above_the_ground() -> None:
    height = boulders(replace(FIELD, boulder_abundance=0.02, boulder_max_m=3.0))
    assert height.min() > -1e-6
    assert 0.18 * 1.0 < height.max() < 0.5 * 3.0


def test_without_abundance_there_are_none_and_terrains_stay_as_they_were() -> None:
    assert not boulders(replace(FIELD, boulder_abundance=0.0)).any()


@pytest.fixture(scope="module")
def specs() -> list[PairSpec]:
    return [sample_spec(seed, 512, kind="landing") for seed in range(60)]


def test_landings_are_near_the_ground_and_look_down(specs: list[PairSpec]) -> None:
    for spec in specs:
        assert 39 <= spec.left.position_m[2] <= 651
        assert spec.left.position_m[2] >= spec.right.position_m[2]  # it descends
        level = np.hypot(*(np.array(spec.left.position_m[:2]) - spec.left.aim_m[:2]))
        assert math.degrees(math.atan2(level, spec.left.position_m[2])) < 52
        assert 0.01 <= spec.terrain.boulder_abundance <= 0.2
    pixels = [spec.left.position_m[2] / 618.04 for spec in specs]
    assert min(pixels) < 0.1
    assert max(pixels) > 0.8


def test_no_other_kind_has_boulders_or_is_a_landing() -> None:
    for seed in range(20):
        spec = sample_spec(seed, 64)
        assert spec.kind is not GeometryKind.LANDING
        assert spec.terrain.boulder_abundance == 0


def test_both_views_of_a_landing_see_one_ground() -> None:
    spec = sample_spec(7, 256, "stereolunar", "landing")
    terrain = synthesise_terrain(spec.terrain)
    result = measure_consistency(render_pair(spec, terrain), terrain)
    assert result.exact_p99_m < 1e-3
    assert result.photo_correlation > 0.9
    assert result.visible > 0.4
