"""Damages of the campaign: what is spoilt, and the truth that goes with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_bench.honesty.damages import (
    cameras,
    covers,
    files,
    ground,
    optics,
    partners,
    readout,
    rigs,
    views,
)
from lunar_bench.honesty.kinds import KINDS
from lunar_bench.honesty.situation import (
    GIVINGS,
    Draw,
    Ground,
    Situation,
    camera_height_m,
    clean_situation,
)
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.geometry.plane import fit_plane

from .honesty_records import ground_and_another


@pytest.fixture(scope="module")
def pairs(rendered_pair: KnownPair) -> list[KnownPair]:
    return ground_and_another(rendered_pair)


@pytest.fixture(scope="module")
def clean(pairs: list[KnownPair]) -> Situation:
    return clean_situation(pairs[0])


def drawn(pairs: list[KnownPair], seed: int = 0) -> Draw:
    return Draw(np.random.default_rng(seed), pairs[0], pairs)


@pytest.mark.parametrize("name", KINDS)
def test_every_damage_changes_the_images_or_what_is_told(
    name: str, clean: Situation, pairs: list[KnownPair]
) -> None:
    kind = KINDS[name]
    for seed in range(3):
        damaged = kind.damage(clean, drawn(pairs, seed))
        images = any(
            a.shape != b.shape or np.ma.getdata(a).tobytes() != np.ma.getdata(b).tobytes()
            for a, b in ((damaged.left, clean.left), (damaged.right, clean.right))
        )
        assert (
            images or damaged.files or repr(damaged.told) != repr(clean.told) or name == "other sun"
        )
        if damaged.ground is not None:
            assert damaged.ground.depth.shape == damaged.left.shape[:2]
        for image in (damaged.left, damaged.right):  # what the runtime reads as an image
            assert grey_from_array(image).pixels.shape == image.shape[:2]


@pytest.mark.parametrize("name", KINDS)
def test_a_damage_is_drawn_from_its_seed_alone(
    name: str, clean: Situation, pairs: list[KnownPair]
) -> None:
    first, again = (KINDS[name].damage(clean, drawn(pairs, 5)) for _ in range(2))
    assert first.parameters == again.parameters
    np.testing.assert_array_equal(first.left, again.left)
    np.testing.assert_array_equal(first.right, again.right)
    assert repr(first.told) == repr(again.told)


def test_every_kind_may_be_told_something_that_exists() -> None:
    for kind in KINDS.values():
        assert set(kind.givings) <= set(GIVINGS)


def test_only_what_is_given_is_told(clean: Situation) -> None:
    told = clean.telling(pose="fixed").told
    assert told.only("nothing") == type(told)()
    assert told.only("cameras, altitude").pose == "initial"
    rig = told.only("rig")
    assert (rig.altitude_m, rig.baseline_m, rig.pose) == (None, None, "fixed")


def test_a_window_keeps_rays_truth_and_altitude_together(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    whole, part = clean, views.narrow_field(clean, drawn(pairs))
    assert whole.ground is not None and part.ground is not None
    assert whole.told.left is not None and part.told.left is not None
    points = true_pointmap(part.ground.depth, part.told.left)
    assert part.told.altitude_m == pytest.approx(fit_plane(points).camera_height)
    everywhere = true_pointmap(whole.ground.depth, whole.told.left)
    middle = points[points.shape[0] // 2, points.shape[1] // 2]
    apart = np.linalg.norm(everywhere - middle, axis=-1)
    assert np.nanmin(apart) < 1e-3


def test_both_windows_show_the_same_ground(clean: Situation, pairs: list[KnownPair]) -> None:
    part = views.narrow_field(clean, drawn(pairs))
    told, ground = part.told, part.ground
    assert told.left is not None and told.right is not None and ground is not None
    assert told.right_from_left is not None
    side = part.left.shape[0]
    point = true_pointmap(ground.depth, told.left)[side // 2, side // 2]
    seen = told.right.matrix() @ (told.right_from_left @ [*point, 1])[:3]
    # The window is around the middle's median depth, and stays inside the image.
    assert np.all(seen[:2] / seen[2] > 0) and np.all(seen[:2] / seen[2] < side)


def test_half_the_pixels_see_the_same_ground(clean: Situation, pairs: list[KnownPair]) -> None:
    small = views.half_the_pixels(clean, drawn(pairs))
    assert clean.ground is not None
    assert small.ground is not None
    assert small.told.left is not None
    height = camera_height_m(small.ground.depth, small.told.left)
    assert height == pytest.approx(camera_height_m(clean.ground.depth, pairs[0].camera_left), 1e-3)


def test_a_distorted_image_shows_the_truth_that_goes_with_it(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    bent = cameras.distortion(clean, drawn(pairs, 1))
    assert bent.ground is not None and clean.ground is not None
    k1 = float(bent.parameters["k1"])
    camera = clean.told.left
    assert camera is not None
    # By hand: the pixel that shows the ground of undistorted (200, 180).
    u, v = (200.5 - camera.cx) / camera.fx, (180.5 - camera.cy) / camera.fy
    factor = 1 + k1 * (u * u + v * v)
    x, y = camera.cx + camera.fx * u * factor, camera.cy + camera.fy * v * factor
    found = bent.ground.depth[int(y), int(x)]
    assert found == pytest.approx(clean.ground.depth[180, 200], rel=2e-3)  # within a pixel


def test_an_inverse_pose_and_a_turned_one_are_no_longer_the_pairs(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    true = clean.told.right_from_left
    assert true is not None
    for damage in (rigs.turned_pose, rigs.wrong_direction):
        pose = damage(clean, drawn(pairs, 3)).told.right_from_left
        assert pose is not None
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.linalg.norm(pose[:3, 3]) == pytest.approx(np.linalg.norm(true[:3, 3]))
        assert not np.allclose(pose, true, rtol=1e-3)


def test_sky_hides_the_ground_it_covers(clean: Situation, pairs: list[KnownPair]) -> None:
    found = covers.sky(clean, drawn(pairs))
    assert found.ground is not None and clean.ground is not None and found.told.left is not None
    share = float(found.parameters["share"])
    assert found.ground.hidden.mean() == pytest.approx(share, abs=0.06)
    assert np.isnan(found.ground.depth[found.ground.hidden]).all()
    assert found.left[found.ground.hidden].mean() < 5
    # The altitude that is told is above the ground that is left.
    altitude = camera_height_m(found.ground.depth, found.told.left)
    assert found.told.altitude_m == pytest.approx(altitude)


def test_exchanged_images_have_the_right_views_truth(
    clean: Situation, pairs: list[KnownPair]
) -> None:
    found = partners.exchanged(clean, drawn(pairs))
    np.testing.assert_array_equal(found.left, clean.right)
    assert found.ground is not None
    np.testing.assert_array_equal(found.ground.depth, pairs[0].depth_right)


def test_a_written_file_shows_the_image(
    clean: Situation, pairs: list[KnownPair], tmp_path: Path
) -> None:
    ways = set()
    for seed in range(40):
        found = files.written(clean, drawn(pairs, seed))
        ways.add(found.parameters["way"])
        assert found.files is not None
        (tmp_path / "left").write_bytes(found.files[0])
        read = read_image(tmp_path / "left")
        exact = read.stretch is None
        # Deeper ones are stretched to their 0.1 and 99.9 percentiles, so that the order is kept.
        kept = np.corrcoef(read.pixels.ravel(), clean.left.ravel())[0, 1]
        assert kept > 0.99, found.parameters
        assert not exact or np.array_equal(read.pixels, clean.left)
    assert ways == set(files.WAYS)


def test_truth_beyond_the_image_is_none() -> None:
    depth = np.arange(16, dtype=np.float32).reshape(4, 4) + 1
    ground = Ground(depth, depth, depth, np.zeros((4, 4), np.bool_))
    found = ground.at(np.array([[0.5, 3.9], [4.1, -0.1]]), np.array([[0.5, 3.9], [1, 1]]))
    np.testing.assert_array_equal(found.depth, [[1, 16], [np.nan, np.nan]])


def test_videos_blocks_are_the_left_images_but_for_what_they_lack(clean: Situation) -> None:
    """Of a frame that moved by whole pixels nothing is lacking."""
    moved = clean.having(right=np.roll(clean.left, (3, -5), (0, 1)))
    left, right = (image.astype(np.float32) for image in (moved.left, moved.right))
    found = readout._predicted(left, right, 16)
    inner = np.s_[32:-32, 32:-32]
    np.testing.assert_array_equal(found[inner], right[inner])
    coded = readout._coded(right, 1.0)
    assert np.abs(coded - right).max() < 4  # of 64 waves, half a step each
    assert np.abs(readout._coded(right, 60.0) - right).mean() > 2


def test_a_vignette_darkens_the_corners_as_told(clean: Situation, pairs: list[KnownPair]) -> None:
    even = np.full_like(clean.left, 200)
    damaged = optics.vignetting(clean.having(left=even, right=even), drawn(pairs))
    corner = float(damaged.parameters["corner"])
    height, width = even.shape
    assert damaged.left[0, 0] == pytest.approx(200 * corner, abs=4)
    assert damaged.left[height // 2, width // 2] == 200


def test_a_smear_keeps_the_brightness(clean: Situation, pairs: list[KnownPair]) -> None:
    damaged = optics.smeared_eye(clean, drawn(pairs))
    assert damaged.right.mean() == pytest.approx(clean.right.mean(), abs=1)
    np.testing.assert_array_equal(damaged.left, clean.left)


def test_ripples_lie_on_the_ground_of_both_images(clean: Situation, pairs: list[KnownPair]) -> None:
    """Where the left image's ground lies in the right one, the gain is the same."""
    even = np.full_like(clean.left, 120)
    damaged = ground.ripples(clean.having(left=even, right=even), drawn(pairs, 1))
    pair = pairs[0]
    points = true_pointmap(pair.depth, pair.camera_left)
    there = points @ pair.right_from_left[:3, :3].T + pair.right_from_left[:3, 3]
    seen = there @ pair.camera_right.matrix().T
    x, y = (np.nan_to_num(seen[..., i] / seen[..., 2], nan=-1) for i in range(2))
    height, width = even.shape
    inside = (x > 1) & (y > 1) & (x < width - 1) & (y < height - 1)
    right = damaged.right[y[inside].astype(int), x[inside].astype(int)].astype(float)
    assert np.std(damaged.left[inside]) > 3
    assert np.corrcoef(damaged.left[inside], right)[0, 1] > 0.9


def test_a_plain_is_told_rightly_and_flat(clean: Situation, pairs: list[KnownPair]) -> None:
    plain = ground.plain(clean, drawn(pairs))
    assert plain.ground is not None
    assert clean.ground is not None
    assert np.nanmedian(plain.ground.slope) < np.nanmedian(clean.ground.slope)
    assert plain.told.altitude_m != clean.told.altitude_m
