"""A map of known ground, seen from several places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.fusion.ground_map import GroundMap
from lunar_runtime.fusion.posed_view import PoseSigma, frame_pose, pose_frame
from numpy.typing import NDArray

from .posed_scenes import SIZE, mapped, misses, pose, posed

Values = NDArray[np.floating]
_EDGE = 2e-3  # m: single precision, the walk to the surface, and half a millimetre of curvature


def plane(x: Values, y: Values) -> Values:
    return np.asarray(0.1 * x - 0.05 * y + 3)


def hills(x: Values, y: Values) -> Values:
    return np.asarray(2 * np.sin(x / 9) * np.cos(y / 7) + 0.4 * np.sin(x / 3 + y / 4))


def step(x: Values, y: Values) -> Values:
    return np.where(x + 0 * y > 1, 2.0, 0.0)


def boulder(x: Values, y: Values) -> Values:
    return np.sqrt(np.maximum(4 - (x - 2) ** 2 - (y + 3) ** 2, 0)) + 0 * x


THREE = (pose(-8, 2, 100), pose(7, -5, 90, 6.0, 30.0), pose(1, 6, 80, -5.0, -40.0))


def test_a_plane_from_three_places_is_the_plane() -> None:
    ground = GroundMap()
    updates = [
        ground.add(posed(plane, at, noise=1e-9, sigma=PoseSigma(0, 0), seed=i))
        for i, at in enumerate(THREE)
    ]
    assert [update.taken for update in updates] == ["first", "fused", "fused"]
    grid, known = mapped(ground, updates[-1])
    assert known.sum() > 25_000  # 160 x 160 px
    assert np.abs(misses(grid, known, plane)).max() < _EDGE


def test_a_step_stays_sharp_and_its_top_and_foot_level() -> None:
    ground = GroundMap()
    for i, at in enumerate(THREE):
        update = ground.add(posed(step, at, noise=1e-5, seed=i))
    grid, known = mapped(ground, update)
    x, y = np.meshgrid(*grid.centres())
    # Two cells beside the edge a surface of pixels may join both levels.
    away = known & (np.abs(x - 1) > 2 * grid.cell_m) & (np.abs(x) < 15) & (np.abs(y) < 15)
    assert away.sum() > 1000
    assert np.abs(grid.height[away] - step(x, y)[away]).max() < 0.05


def test_a_boulder_from_three_places_keeps_its_height() -> None:
    ground = GroundMap()
    for i, at in enumerate(THREE):
        update = ground.add(posed(boulder, at, noise=1e-5, seed=i))
    grid, known = mapped(ground, update)
    assert np.nanmax(grid.height) == pytest.approx(2.0, abs=0.1)
    x, y = np.meshgrid(*grid.centres())
    top = np.unravel_index(np.nanargmax(np.where(known, grid.height, -9)), grid.height.shape)
    assert np.hypot(x[top] - 2, y[top] + 3) < 2 * grid.cell_m


def test_more_views_lower_the_error_and_the_expected_error() -> None:
    seen = []
    ground = GroundMap()
    for number in range(8):
        at = pose(np.cos(number) * 5, np.sin(number) * 5, 95 + number, roll=20.0 * number)
        update = ground.add(posed(hills, at, noise=2e-3, seed=number, sigma=PoseSigma(0, 0)))
        grid, known = mapped(ground, update)
        x, y = np.meshgrid(*grid.centres())
        inner = known & (np.abs(x) < 15) & (np.abs(y) < 15)
        sigma = float(np.sqrt(np.mean(grid.errors[:, inner] ** 2)))
        seen.append((float(np.std(misses(grid, inner, hills))), sigma))
    first, last = seen[0], seen[-1]
    # Independent errors of eight views: a third. What is alike in all of them, and the smoothing by
    # pixels, keep it above.
    assert last[0] < 0.55 * first[0]
    assert last[1] < 0.75 * first[1]
    assert last[1] > 0.8 * last[0]  # and it never claims more than it has


def test_a_pose_that_is_wrong_within_its_sigma_is_drawn_to_the_map() -> None:
    ground = GroundMap()
    ground.add(posed(hills, pose(0, 0, 100), noise=1e-5, sigma=PoseSigma(0.02, 0.005)))
    true = pose(3, 2, 95)
    told = pose(3.6, 1.5, 95.5, tilt_deg=0.3)
    update = ground.add(posed(hills, true, told=told, sigma=PoseSigma(0.5, 0.3), noise=1e-5))
    assert update.taken == "fused"
    found = frame_pose(update.frame)[:3, 3]
    # Of 0.8 m that it was told wrong a tenth is left.
    assert np.linalg.norm(found - true[:3, 3]) < 0.1
    grid, known = mapped(ground, update)
    assert np.std(misses(grid, known, hills)) < 0.03


def test_the_first_views_bend_is_not_every_views() -> None:
    # Both may bend by 0.3 %, which is 0.3 m here; the first does by half of it, the second back.
    left = []
    for bends in ((0.003, 0.003), (0.003, -0.003), (-0.003, 0.003)):
        ground = GroundMap()
        for number, bend in enumerate(bends):
            at = pose(2.0 * number, 0, 100)
            view = posed(hills, at, noise=1e-4, seed=number, bend=(bend, 0.003))
            update = ground.add(view)
        grid, known = mapped(ground, update)
        x, y = np.meshgrid(*(side.astype(np.float64) for side in grid.centres()))
        inner = known & (np.abs(x) < 30) & (np.abs(y) < 30)
        off = (grid.height - hills(x, y))[inner]
        terms = np.stack([np.ones_like(off), x[inner], y[inner], (x[inner] / 30) ** 2], axis=-1)
        left.append(abs(np.linalg.lstsq(terms, off, rcond=None)[0][-1]))
    both, *opposite = left
    assert both > 0.05
    # Seen: 0.4 and 0.5 of what the two alike leave; drawn to the first view it was all of it.
    assert max(opposite) < 0.7 * both


def test_poses_that_drift_are_followed_from_view_to_view() -> None:
    def last_offset(sigma: PoseSigma) -> tuple[str, float]:
        ground = GroundMap()
        for number in range(8):
            true = pose(1.5 * number, 0, 100 - 3 * number)
            told = true.copy()
            told[:3, 3] += np.array([0.5, -0.4, 0.3]) * number  # a fifth of the way
            update = ground.add(posed(hills, true, told=told, sigma=sigma, noise=1e-5, seed=number))
        off = frame_pose(update.frame)[:3, 3] - true[:3, 3]
        return update.taken, float(np.linalg.norm(off))

    taken, off = last_offset(PoseSigma(0.6, 0.02, drifting=True))
    assert taken == "fused"
    assert off < 0.3  # of 5 m
    # Told as errors in the world, half a metre does not explain five.
    assert last_offset(PoseSigma(0.6, 0.02))[1] > 3 * off


def test_a_hole_is_filled_by_a_later_view_and_was_unknown_until_then() -> None:
    dark = np.ones((SIZE, SIZE), np.bool_)
    dark[60:90, 60:90] = False
    ground = GroundMap()
    first = ground.add(posed(hills, pose(0, 0, 100), lit=dark))
    grid, known = mapped(ground, first)
    x, y = np.meshgrid(*grid.centres())
    hole = (np.abs(x + 2.5) < 5) & (np.abs(y - 2.5) < 5)
    assert not known[hole].any()
    second = ground.add(posed(hills, pose(1, 0, 95), seed=1))
    grid, known = mapped(ground, second)
    x, y = np.meshgrid(*grid.centres())
    hole = (np.abs(x + 2.5) < 5) & (np.abs(y - 2.5) < 5)
    assert known[hole].all()
    assert np.abs(misses(grid, hole, hills)).max() < 0.2


def test_the_lee_of_a_wall_stays_unknown_until_somebody_sees_it() -> None:
    def wall(x: Values, y: Values) -> Values:
        return np.where(np.abs(x - 4) < 1, 12.0, 0.0) + 0 * y

    def lee(ground: GroundMap, at: NDArray[np.float64], seed: int) -> float:
        grid, known = mapped(ground, ground.add(posed(wall, at, seed=seed)))
        x, y = np.meshgrid(*grid.centres())
        return float(known[(x > 6) & (x < 7) & (np.abs(y) < 8)].mean())

    ground = GroundMap()
    assert lee(ground, pose(-30, 0, 60), 0) == 0.0
    assert lee(ground, pose(8, 0, 60), 1) > 0.9


def test_a_view_that_shows_other_ground_is_left_out() -> None:
    ground = GroundMap()
    for number in range(3):
        good = ground.add(posed(hills, pose(number, 0, 100), seed=number))
    before, known_before = mapped(ground, good)

    def others(x: Values, y: Values) -> Values:
        return np.asarray(3 * np.sin(x / 4 + 2) * np.sin(y / 5))

    update = ground.add(posed(others, pose(1, 0, 100), seed=9))
    assert update.taken == "astray"
    assert update.agreed < 0.7
    after, known_after = mapped(ground, good)
    np.testing.assert_array_equal(before.height, after.height)
    np.testing.assert_array_equal(known_before, known_after)


def test_a_view_far_from_where_its_pose_says_is_left_out() -> None:
    ground = GroundMap()
    ground.add(posed(hills, pose(0, 0, 100)))
    true = pose(1, 0, 98)
    told = true.copy()
    told[:3, 3] += [9.0, 0, 0]  # 180 times as far as the pose may err
    assert ground.add(posed(hills, true, told=told, seed=1)).taken == "astray"
    assert ground.add(posed(hills, true, seed=1)).taken == "fused"


def test_a_patch_that_one_view_has_wrong_is_disputed_and_then_outvoted() -> None:
    def with_ghost(x: Values, y: Values) -> Values:
        return hills(x, y) + np.where(np.hypot(x, y) < 3, 2.0, 0.0)

    def inside(number: int, seen: object) -> tuple[float, float]:
        ground_of = with_ghost if seen == "ghost" else hills
        update = ground.add(posed(ground_of, pose(number, 0, 100), seed=number))
        grid, known = mapped(ground, update)
        x, y = np.meshgrid(*grid.centres())
        near = np.hypot(x, y) < 2
        if not known[near].any():
            return 0.0, np.nan
        return float(known[near].mean()), float(np.abs(misses(grid, known & near, hills)).max())

    ground = GroundMap()
    assert inside(0, "hills")[0] == 1.0
    assert inside(1, "ghost")[0] == 0.0  # one against one: nobody knows
    inside(2, "hills")
    known, wrong = inside(3, "hills")
    assert known == 1.0
    assert wrong < 0.2


def test_three_views_astray_in_a_row_begin_the_map_again() -> None:
    def others(x: Values, y: Values) -> Values:
        return np.asarray(3 * np.sin(x / 4 + 2) * np.sin(y / 5))

    ground = GroundMap()
    ground.add(posed(others, pose(0, 0, 100)))
    taken = [ground.add(posed(hills, pose(i, 0, 100), seed=i)).taken for i in range(1, 5)]
    assert taken == ["astray", "astray", "anew", "fused"]


def test_nearer_views_make_the_cells_finer() -> None:
    ground = GroundMap()
    cells = []
    for height in (200, 100, 50, 25):
        update = ground.add(posed(hills, pose(0, 0, height), seed=height))
        cells.append(mapped(ground, update)[0].cell_m)
    assert cells == [1.0, 0.5, 0.25, 0.125]
    wide, known = mapped(ground, update, 0.5)
    assert wide.cell_m == 0.5
    assert np.abs(misses(wide, known, hills)).max() < 0.5


def test_memory_stays_within_its_bound_however_far_the_camera_flies() -> None:
    def flat(x: Values, y: Values) -> Values:
        return 0 * x + 0 * y

    view = posed(flat, pose(0, 0, 60))  # the same wherever the camera is
    ground = GroundMap(most_mb=64)
    for number in range(32):
        at = pose_frame(pose(60.0 * number, 0, 60))
        assert ground.add(replace(view, frame=at)).taken in ("first", "new ground")
        assert ground.nbytes <= 64e6
    assert ground.forgotten > 0
    update = ground.add(view)
    assert update.taken == "new ground"  # it was forgotten, and nobody pretends otherwise


def test_the_same_views_give_the_same_map() -> None:
    def run() -> Values:
        ground = GroundMap()
        for number in range(3):
            update = ground.add(posed(hills, pose(number, 0, 100), seed=number))
        return mapped(ground, update)[0].height

    np.testing.assert_array_equal(run(), run())


def test_an_empty_map_and_a_tiny_one_are_refused() -> None:
    with pytest.raises(UsageError, match="`most_mb` 1: give 64 or more"):
        GroundMap(most_mb=1)
    other = GroundMap()
    update = other.add(posed(plane, pose()))
    with pytest.raises(UsageError, match="the map is empty; add a view first"):
        mapped(GroundMap(), update)


def test_a_pose_there_and_back_is_itself() -> None:
    at = pose(3, -4, 50, 12, 33)
    np.testing.assert_allclose(frame_pose(pose_frame(at)), at, atol=1e-12)


def test_a_view_in_the_dark_is_refused_and_the_map_goes_on() -> None:
    ground = GroundMap()
    dark = posed(plane, pose(), lit=np.zeros((SIZE, SIZE), np.bool_))
    for _ in range(2):
        with pytest.raises(InputError, match="the images decide no ground that is in the light"):
            ground.add(dark)
        assert ground.add(posed(plane, pose())).taken in ("first", "fused")


def test_a_view_without_ground_is_refused() -> None:
    view = posed(plane, pose())
    nothing = np.full_like(view.source.points, np.nan)
    with pytest.raises(InputError, match="there is no ground to map"):
        GroundMap().add(
            type(view)(view.source._replace(points=nothing), view.lit, view.frame, view.sigma)
        )
