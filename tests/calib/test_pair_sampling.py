from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.choices import ORBITAL_KINDS, GeometryKind
from lunar_calib.specs import pinhole
from lunar_calib.specs.camera_families import ALTITUDE_RANGE_M, overlap
from lunar_calib.specs.pair_sampling import sample_spec, sample_terrain
from lunar_calib.specs.pair_spec import CameraSpec, PairSpec

SPECS = [sample_spec(seed, 128) for seed in range(240)]


def of_kind(kind: GeometryKind) -> list[PairSpec]:
    return [s for s in SPECS if s.kind is kind]


def relative_roll_deg(spec: PairSpec) -> float:
    left, right = (pinhole.cam2world(c)[:3, :3] for c in (spec.left, spec.right))
    relative = right.T @ left
    return float(np.degrees(np.arctan2(relative[1, 0], relative[0, 0])))


def test_each_geometry_has_a_third_of_the_pairs() -> None:
    # Binomial, 240 draws: a standard deviation is 7.3.
    assert all(55 <= len(of_kind(kind)) <= 105 for kind in ORBITAL_KINDS)


def test_nadir_baselines_are_a_fiftieth_to_a_tenth_of_the_altitude() -> None:
    for spec in of_kind(GeometryKind.NADIR):
        base = np.subtract(spec.left.position_m, spec.right.position_m)
        assert 0.02 <= np.linalg.norm(base) / spec.left.position_m[2] <= 0.10


def test_oblique_cameras_look_27_to_48_degrees_off_nadir() -> None:
    for spec in of_kind(GeometryKind.OBLIQUE):
        for camera in (spec.left, spec.right):
            off = np.degrees(np.arccos(-pinhole.cam2world(camera)[2, 2]))
            assert 26 <= off <= 48.5


def test_altitudes_are_those_of_stereolunar() -> None:
    low, high = ALTITUDE_RANGE_M
    for spec in SPECS:
        # An oblique partner may be a kilometre lower.
        assert low - 1000 <= min(spec.left.position_m[2], spec.right.position_m[2])
        assert max(spec.left.position_m[2], spec.right.position_m[2]) <= high + 1000


def test_suns_stand_5_to_50_degrees_high() -> None:
    elevations = [s.sun_elevation_deg for s in SPECS]
    assert min(elevations) >= 5
    assert max(elevations) <= 50
    assert np.ptp([s.sun_azimuth_deg for s in SPECS]) > 300


def test_a_third_of_the_pairs_are_rolled_against_each_other() -> None:
    rolled = np.mean([abs(relative_roll_deg(s)) > 25 for s in SPECS])
    # A third is drawn over the whole circle, of which 14 % falls below 25°.
    assert 0.2 <= rolled <= 0.4


def test_half_of_the_pairs_have_cast_shadows() -> None:
    assert 0.4 <= np.mean([s.cast_shadows for s in SPECS]) <= 0.6


def test_cameras_share_their_ground() -> None:
    shared = np.array([min(overlap(s.left, s.right)) for s in SPECS])
    assert shared.min() >= 0.3
    assert np.mean(shared >= 0.5) >= 0.8


def test_a_camera_shares_all_its_ground_with_itself() -> None:
    camera = CameraSpec((0, 0, 9000), up_hint=(0, 1, 0))
    assert overlap(camera, camera) == (1.0, 1.0)


def test_cameras_that_look_elsewhere_share_nothing() -> None:
    here = CameraSpec((0, 0, 5000), up_hint=(0, 1, 0))
    there = CameraSpec((9000, 0, 5000), aim_m=(9000, 0, 0), up_hint=(0, 1, 0))
    assert overlap(here, there) == (0.0, 0.0)


def test_a_spec_survives_json() -> None:
    import json

    for spec in SPECS[:6]:
        assert PairSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_without_its_sun_is_refused() -> None:
    values = SPECS[0].to_dict()
    del values["sun_azimuth_deg"]
    with pytest.raises(ValueError, match=r"pair spec: .*sun_azimuth_deg"):
        PairSpec.from_dict(values)


def test_the_same_seed_draws_the_same_pair() -> None:
    assert sample_spec(7, 256) == sample_spec(7, 256)
    assert sample_spec(7, 256) != sample_spec(8, 256)


def test_a_shared_terrain_is_kept_and_fits_the_altitude() -> None:
    terrain = sample_terrain(1, 128, 512)
    spec = sample_spec(3, 128, terrain=terrain)
    assert spec.terrain == terrain
    extent = terrain.cells * terrain.cell_m
    assert all(0 <= s <= extent for s in spec.site_m)
