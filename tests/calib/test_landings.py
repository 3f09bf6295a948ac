"""Rendered landings: boulders by their law, cameras near the ground, exact truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.choices import GeometryKind
from lunar_calib.datasets.rig_files import rig_of
from lunar_calib.render.boulders import add_boulders
from lunar_calib.render.consistency import measure_consistency
from lunar_calib.render.raycast import sample_height
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.specs import pinhole
from lunar_calib.specs.camera_families import overlap
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


def test_approaches_are_high_and_their_cameras_narrow() -> None:
    specs = [sample_spec(seed, 512, kind="approach") for seed in range(60)]
    altitudes, pixels = [], []
    for spec in specs:
        altitude, focal = spec.left.position_m[2], pinhole.focal_px(512, spec.fov_deg)
        level = np.hypot(*(np.array(spec.left.position_m[:2]) - spec.left.aim_m[:2]))
        assert math.degrees(math.atan2(level, altitude)) < 52
        assert min(overlap(spec.left, spec.right, fov_deg=spec.fov_deg)) >= 0.3
        assert spec.terrain.boulder_abundance > 0
        altitudes.append(altitude)
        pixels.append(altitude / focal)
    assert 650 <= min(altitudes) < 750 and 2600 < max(altitudes) <= 3000
    assert 0.5 <= min(pixels) < 0.55 and 0.95 < max(pixels) <= 1
    fields = [spec.fov_deg for spec in specs]
    assert min(fields) < 8 and max(fields) > 30


def test_a_field_of_view_is_in_the_spec_the_rays_and_the_rig() -> None:
    spec = sample_spec(3, 64, "stereolunar", "approach")
    assert PairSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    pair = render_pair(spec)
    focal = 32 / math.tan(math.radians(spec.fov_deg / 2))
    assert pair.left.intrinsics[0, 0] == pytest.approx(focal)
    assert rig_of(pair)["right"]["intrinsics"][0][0] == pytest.approx(focal)
    points = pinhole.transform(
        pair.left.cam2world, pinhole.unproject(pair.left.depth_m, pair.left.intrinsics)
    )
    terrain = synthesise_terrain(spec.terrain)
    east, north = (points[..., i] + spec.site_m[i] for i in (0, 1))
    height = sample_height(terrain, east, north)[0]
    fall = (points[..., 0] ** 2 + points[..., 1] ** 2) / (2 * 1_737_400)
    # Rays end within 3 mm; a depth of 3 km is stored to 0.1 mm.
    assert np.abs(points[..., 2] + fall - height).max() < 5e-3


def test_older_specs_have_the_field_of_45_degrees() -> None:
    values = sample_spec(7, 64, "stereolunar", "landing").to_dict()
    assert values.pop("fov_deg") == 45.0
    assert PairSpec.from_dict(values).fov_deg == 45.0


@pytest.mark.parametrize("kind", ["landing", "approach"])
def test_both_views_of_a_landing_see_one_ground(kind: str) -> None:
    spec = sample_spec(7, 256, "stereolunar", kind)
    terrain = synthesise_terrain(spec.terrain)
    result = measure_consistency(render_pair(spec, terrain), terrain)
    assert result.exact_p99_m < 1e-3
    assert result.photo_correlation > 0.9
    assert result.visible > 0.4
