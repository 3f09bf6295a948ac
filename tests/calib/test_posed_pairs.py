from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.datasets.stereolunar_frames import write_pair
from lunar_calib.datasets.stereolunar_scenes import find_scenes
from lunar_calib.sets.candidates import altitude_of
from lunar_calib.sets.posed_pairs import PosedFrame, pair_by_pose, shared_ground
from lunar_calib.sets.posed_pairs import stereolunar as posed_source
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import CameraSpec
from lunar_runtime.errors import InputError
from lunar_runtime.landing.local_frame import MOON_RADIUS_M


def frame(number: int, east_m: float, height_m: float = 10_000.0) -> PosedFrame:
    """A nadir camera that looks straight down."""
    camera = CameraSpec((east_m, 0, height_m), aim_m=(east_m, 0, 0), up_hint=(0, 1, 0))
    return PosedFrame(number, Path("im"), pinhole.intrinsics(512), pinhole.cam2world(camera))


def numbers(pairs: list[tuple[PosedFrame, PosedFrame]]) -> list[tuple[int, int]]:
    return [(left.number, right.number) for left, right in pairs]


def test_shared_ground_of_two_nadir_views_is_what_the_shift_leaves() -> None:
    # 45 degrees from 10 km see 8284 m; a shift of a quarter of it leaves three quarters. Nine
    # samples across resolve a ninth.
    width = 2 * 10_000 * np.tan(np.radians(22.5))
    assert shared_ground(frame(0, 0), frame(1, width / 4)) == pytest.approx(0.75, abs=1 / 9)
    assert shared_ground(frame(0, 0), frame(1, 1.1 * width)) == 0


def test_views_from_one_place_are_no_pair() -> None:
    assert shared_ground(frame(0, 0), frame(2, 10)) == 0  # B/H of .001


def test_of_a_strip_neighbours_are_paired() -> None:
    strip = [frame(i, 1500.0 * i) for i in (3, 0, 2, 1)]
    pairs, alone = pair_by_pose(strip)
    assert numbers(pairs) == [(0, 1), (2, 3)]
    assert alone == []


def test_the_same_views_under_three_suns_are_paired_by_number() -> None:
    frames = [frame(n, 2000.0 * (n % 2)) for n in range(6)]
    assert numbers(pair_by_pose(frames)[0]) == [(0, 1), (2, 3), (4, 5)]


def test_a_view_elsewhere_is_left_over() -> None:
    pairs, alone = pair_by_pose([frame(0, 0), frame(1, 90_000), frame(2, 1500)])
    assert numbers(pairs) == [(0, 2)]
    assert [one.number for one in alone] == [1]


def test_altitude_is_above_the_sphere_in_both_frames() -> None:
    pose = np.eye(4)
    pose[:3, 3] = (0, 0, 12_000)
    assert altitude_of(pose) == 12_000
    pose[:3, 3] = (0, MOON_RADIUS_M + 31_000, 0)
    assert altitude_of(pose) == pytest.approx(31_000)


def test_rendered_scenes_are_paired_as_they_were_rendered(tmp_path: Path) -> None:
    for i, kind in enumerate(("nadir", "oblique", "dynamic")):
        write_pair(render_pair(sample_spec(i, 64, kind=kind)), tmp_path / f"s{i}", 2 * i)
    scenes = [candidate.scene for candidate in posed_source(tmp_path).candidates()]
    assert scenes == [f"s{i}/im_{2 * i:05d} im_{2 * i + 1:05d}" for i in range(3)]


def test_frames_without_a_partner_are_all_named(tmp_path: Path) -> None:
    pair = render_pair(sample_spec(1, 64))
    for name in ("a", "b"):
        _, right = write_pair(pair, tmp_path / name)
        right.with_name("im_00001.npz").unlink()
    with pytest.raises(InputError, match=r"^2 frames cannot be paired: ") as error:
        posed_source(tmp_path)
    for name in ("a", "b"):
        assert f"{tmp_path / name / 'im_00000'}: no other frame shares 20%" in str(error.value)


def test_a_damaged_camera_is_named(tmp_path: Path) -> None:
    left, _ = write_pair(render_pair(sample_spec(1, 64)), tmp_path)
    left.with_name("im_00000.npz").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match=r"im_00000\.npz: damaged NPZ.* \| .*im_00001: no other"):
        posed_source(tmp_path)


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no im_N\.npz in it or below"):
        posed_source(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        posed_source(tmp_path / "absent")


def test_published_frames_pair_as_their_numbers_say(stereolunar: Path) -> None:
    found = [candidate.scene for candidate in posed_source(stereolunar).candidates()]
    said = [
        f"{scene.folder.relative_to(stereolunar)}/{left.name} {right.name}"
        for scene in find_scenes(stereolunar)
        for left, right in scene.pairs
    ]
    assert found == said


def test_published_altitudes_are_those_of_the_table(stereolunar: Path) -> None:
    # In km, left and right, of the samples' table, which counts from the ground in view: relief of
    # some kilometres lies between.
    heights = {"Oblique_baseline_sample/paire1": 24.55, "Nadir_baseline_sample/paire2": 31.8}
    for candidate in posed_source(stereolunar).candidates():
        folder = candidate.scene.rsplit("/", 1)[0]
        if folder in heights:
            assert candidate.altitude_m == pytest.approx(1000 * heights[folder], abs=1000)
