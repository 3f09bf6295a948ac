"""Rendered descents: the ground's levels, exact depths, poses with errors as stated, exposure."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_calib.cli import main
from lunar_calib.render.descent import descent_renderer, render_descent
from lunar_calib.render.relief import Relief
from lunar_calib.specs import pinhole
from lunar_calib.specs.descent_spec import NavigationSpec, sample_descent
from lunar_calib.specs.pair_spec import TerrainSpec
from lunar_calib.specs.trajectory import fly, navigate, relative_errors
from lunar_runtime.files.descent_file import read_descent
from lunar_runtime.landing.local_frame import MOON_RADIUS_M

from .conftest import pixels_of

GROUND = TerrainSpec(seed=3, cells=256, cell_m=8.0, boulder_abundance=0.1, boulder_max_m=4.0)


def test_a_finer_level_keeps_the_coarser_ones_nodes_but_for_its_own_relief() -> None:
    relief = Relief(GROUND, 2)
    coarse = relief.window(1, (-200.0, 200.0, -100.0, 300.0))
    fine = relief.window(2, (-300.0, 300.0, -200.0, 400.0))
    row, column = (
        round((coarse.corner_m[axis] - fine.corner_m[axis]) / fine.cell_m) for axis in (1, 0)
    )
    assert min(row, column) >= 0
    fine_nodes = fine.height_m[row::2, column::2][:64, :64]
    added = fine_nodes - coarse.height_m[:64, :64]
    # A level's own relief is a twentieth of its cells, RMS: boulders reach a whole one.
    assert 0.02 * fine.cell_m < added.std() < 0.2 * fine.cell_m
    assert coarse.height_m.std() > 5 * added.std()


def test_windows_of_one_level_show_one_ground() -> None:
    relief = Relief(GROUND, 2)
    one, other = relief.window(2, (-100.0, 100.0, -100.0, 100.0)), relief.window(2, (0, 90, 50, 90))
    row, column = (
        round((other.corner_m[axis] - one.corner_m[axis]) / one.cell_m) for axis in (1, 0)
    )
    shared = one.height_m[row:, column:][:60, :40]
    np.testing.assert_array_equal(shared, other.height_m[: shared.shape[0], : shared.shape[1]])
    assert relief.window(2, (-2.0, 2.0, -2.0, 2.0)).box_m[0] <= -2


def test_the_ground_of_the_finest_level_is_at_zero_at_the_site() -> None:
    relief = Relief(GROUND, 2)
    window = relief.window(2, (-20.0, 20.0, -20.0, 20.0))
    column, row = (round(-corner / window.cell_m) for corner in window.corner_m)
    assert window.height_m[row, column] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("path", ["approach", "terminal"])
@pytest.mark.parametrize("number", [0, 20, 29])
def test_a_frames_depths_lie_on_the_ground_that_it_shows(path: str, number: int) -> None:
    renderer = descent_renderer(sample_descent(5, 64, 30, path))
    traced = renderer.trace(number)
    K = pinhole.intrinsics(64)
    points = pinhole.transform(traced.pose, pinhole.unproject(traced.depth_m, K)).reshape(-1, 3)
    seen = points[np.isfinite(points[:, 2])][::97]
    level = renderer.relief.level_for(renderer._cell_m(traced.pose))
    cell = renderer.spec.terrain.cell_m / 2**level
    for east, north, up in seen:
        window = renderer.relief.window(level, (east, east + cell, north, north + cell))
        u, v = (east - window.corner_m[0]) / cell, (north - window.corner_m[1]) / cell
        c, r = int(u), int(v)
        (a, b), (d, e) = window.height_m[r : r + 2, c : c + 2].astype(np.float64)
        fu, fv = u - c, v - r
        height = (a * (1 - fu) + b * fu) * (1 - fv) + (d * (1 - fu) + e * fu) * fv
        # The ray caster's tolerance, and a depth of 10 km in float32.
        assert up + (east**2 + north**2) / (2 * MOON_RADIUS_M) == pytest.approx(height, abs=0.01)


def test_a_path_begins_and_ends_at_its_heights_and_slows_down() -> None:
    spec = sample_descent(2, 64, 50)
    flight = fly(spec)
    up = flight.poses[:, 2, 3] - (flight.poses[:, :2, 3] ** 2).sum(1) / (2 * MOON_RADIUS_M)
    assert up[[0, -1]] == pytest.approx([10_000, 50])
    fall = -np.diff(up) / np.diff(flight.time_s)
    assert np.all(np.diff(fall) < 0)
    assert fall[-1] == pytest.approx(spec.path.last_ms, rel=1.2)
    assert flight.poses[-1, :2, 3] == pytest.approx([0, 0], abs=1e-9)
    tilt = np.degrees(np.arccos(-flight.poses[:, 2, 2]))
    assert tilt[0] > 25
    assert tilt[-1] < 10


def test_poses_err_as_much_as_they_say() -> None:
    navigation = NavigationSpec(velocity=0.05, attitude_deg=0.1)
    rotations, baselines = [], []
    for seed in range(30):
        spec = replace(sample_descent(seed, 64, 40), navigation=navigation)
        flight = fly(spec)
        told = navigate(flight, navigation, seed)
        true = np.linalg.inv(flight.poses[20]) @ flight.poses[0]
        other = np.linalg.inv(told[20]) @ told[0]
        turn = true[:3, :3].T @ other[:3, :3]
        rotations.append(turn[[2, 0, 1], [1, 2, 0]])
        way = told[20, :3, 3] - told[0, :3, 3] - flight.poses[20, :3, 3] + flight.poses[0, :3, 3]
        baselines.append(way / np.linalg.norm(true[:3, 3]))
    rotation_deg, baseline = relative_errors(navigation)
    # 90 numbers: their standard deviation is known to 7 %; the wandering of half a minute in 50 s
    # takes a quarter of both.
    assert np.degrees(np.std(rotations)) == pytest.approx(rotation_deg, rel=0.3)
    assert np.std(baselines) == pytest.approx(baseline, rel=0.35)


def test_exposure_follows_the_scene_within_a_stop() -> None:
    spec = sample_descent(4, 64, 40)
    views = list(render_descent(spec))
    steps = np.log2([b.exposure / a.exposure for a, b in pairwise(views)])
    assert np.all(np.abs(steps) <= 1)
    assert np.any(steps != 0)
    np.testing.assert_allclose(8 * steps, np.rint(8 * steps), atol=1e-6)
    bright = np.array([np.percentile(view.image, 99) for view in views])
    assert np.all(
        np.abs(np.log2(bright / (spec.imaging.exposure + spec.imaging.black_level_dn))) < 1
    )


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_a_descents_files_do_not_depend_on_the_number_of_jobs(tmp_path: Path) -> None:
    for jobs in (1, 2):
        asked = ("--frames", 27, "--size", 64, "--seed", 7, "--jobs", jobs)
        assert run("descent", *asked, "--out", tmp_path / str(jobs)) == 0
    for file in (tmp_path / "1").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "2" / file.relative_to(tmp_path / "1")).read_bytes()


def test_a_descents_folder_holds_what_its_file_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "d"
    asked = ("--path", "terminal", "--frames", 5, "--size", 64, "--velocity-noise", 0.2)
    assert run("descent", *asked, "--video", "--out", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    descent = read_descent(out)
    assert descent.pose_errors is not None
    assert descent.pose_errors.baseline == 0.2
    video = cv2.VideoCapture(str(out / "video.mkv"))
    for frame in descent.frames:
        shown = pixels_of(out / frame.file)
        done, filmed = video.read()
        assert done
        np.testing.assert_array_equal(filmed[..., 0], shown)
        assert frame.truth is not None
        depth = np.load(out / frame.truth)["depth_m"]
        assert depth.shape == shown.shape == (64, 64)
        assert frame.world_from_camera != frame.true_world_from_camera
    assert [frame.true_altitude_m for frame in descent.frames][-1] == pytest.approx(20, abs=0.1)
    with np.load(out / "site.npz") as site:
        assert site["height_m"].shape[0] * site["cell_m"] > 20
    # What is there is not replaced unasked.
    assert run("descent", *asked, "--out", out) == 3
    assert "--overwrite" in capsys.readouterr().err


def test_a_size_that_the_ray_caster_dislikes_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("descent", "--size", 100, "--out", tmp_path / "d") == 2
    assert "multiple of 8" in capsys.readouterr().err
