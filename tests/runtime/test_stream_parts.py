"""The parts of a stream: which frames are kept, what a pair promises, and a scale's error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.rescale import rescaled
from lunar_runtime.stream.frames import Frame, KeptFrames
from lunar_runtime.stream.outlook import Outlook, ground_below, ground_of, outlook_by_poses
from lunar_runtime.stream.rules import PairRules, choose_partner, search_partner
from numpy.typing import NDArray

from .descents import camera, some_frames

DOWN = np.diag([1.0, -1.0, -1.0, 1.0])  # a camera that looks straight down, its x to the east
UP = np.array([0.0, 0.0, 1.0])
K = Intrinsics(309.0, 309.0, 128.0, 128.0)


def frame(number: int) -> Frame:
    values = np.full((4, 4), number, np.uint8)
    return Frame(number, float(number), values, 0.0, None, None, number)


def at(east: float, up: float) -> NDArray[np.float64]:
    pose: NDArray[np.float64] = DOWN.copy()
    pose[:3, 3] = (east, 0.0, up)
    return pose


def test_kept_frames_are_spread_over_the_time_and_pinned_ones_stay() -> None:
    kept = KeptFrames(5)
    for number in range(40):
        assert kept.arrive(frame(number)) == "taken"
        if number == 3:
            kept.pin([2])
    times = [each.time_s for each in kept.before(frame(99))]
    assert len(times) == 5
    assert times[0] == 39
    assert times[-1] == 0
    assert 2.0 in times
    kept.forget([frame(0)])
    assert len(kept) == 4


def test_parallax_and_overlap_over_flat_ground_are_those_of_the_drawing() -> None:
    newer, other = at(0.0, 1000.0), at(100.0, 1000.0)
    ground = ground_below(newer, 1000.0, UP)
    outlook = outlook_by_poses(newer, other, ground, K, (256, 256))
    assert outlook is not None
    # A view is 2 · 128 / 309 of the height wide, and a tenth of the height is not shared; sixteen
    # rays across tell it to a sixteenth.
    assert outlook.overlap == pytest.approx(1 - 0.1 * 309 / 256, abs=1 / 16)
    # At the view's middle atan(0.1); towards its edges less.
    assert outlook.parallax_deg == pytest.approx(math.degrees(math.atan(0.1)), rel=0.2)


def test_a_frame_that_looks_away_sees_no_ground() -> None:
    up_again = at(0.0, 1000.0)
    up_again[:3, :3] = np.eye(3)
    ground = ground_below(up_again, 1000.0, UP)
    assert outlook_by_poses(up_again, at(0.0, 900.0), ground, K, (256, 256)) is None


def test_ground_goes_to_a_camera_and_back() -> None:
    pose = at(30.0, 200.0)
    ground = ground_below(pose, 200.0, UP)
    plane = ground.seen_from(pose)
    assert plane.camera_height == pytest.approx(200.0)
    back = ground_of(plane, pose)
    np.testing.assert_allclose(back.normal, UP, atol=1e-12)
    assert back.offset == pytest.approx(0.0, abs=1e-9)


RULES = PairRules(parallax_deg=6.0, least_parallax_deg=2.0, most_parallax_deg=12.0)


def by_age(newest_s: float) -> object:
    """One degree a second, and a twentieth of the view lost in each."""

    def outlook(other: Frame) -> Outlook:
        apart = newest_s - other.time_s
        return Outlook(apart, max(0.0, 1 - apart / 20), "poses")

    return outlook


def test_the_partner_has_the_wanted_parallax_and_lost_frames_are_named() -> None:
    earlier = [frame(number) for number in range(19, -1, -1)]
    choice = choose_partner(earlier, by_age(20.0), RULES)  # type: ignore[arg-type]
    assert choice.partner is not None
    assert choice.partner.number == 14
    # 0.6 of the view is shared up to 8 s back.
    assert {each.number for each in choice.lost} == set(range(12))
    assert choose_partner(earlier[:1], by_age(20.0), RULES).partner is None  # type: ignore[arg-type]


@pytest.mark.parametrize("expected_s", [None, 3.0, 6.0, 12.0])
def test_a_search_finds_the_wanted_parallax_in_few_looks(expected_s: float | None) -> None:
    earlier = [frame(number) for number in range(19, -1, -1)]
    looks = []

    def look(other: Frame) -> Outlook:
        looks.append(other.number)
        return by_age(20.0)(other)  # type: ignore[operator, no-any-return]

    choice = search_partner(earlier, look, RULES, expected_s, 20.0)
    assert choice.partner is not None
    assert 12 <= choice.partner.number <= 16
    assert len(looks) <= 3


def test_a_search_gives_up_where_nothing_matches() -> None:
    earlier = [frame(number) for number in range(9, -1, -1)]
    assert search_partner(earlier, lambda _: None, RULES, None, 10.0).partner is None


def test_a_carried_scale_makes_metres_and_widens_every_expected_error() -> None:
    one, other = some_frames()[3], some_frames()[0]
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(one.image, other.image, intrinsics=camera())
    assert result.unit == "relative"
    metric = rescaled(result, 250.0, 0.03, ScaleSource.EARLIER)
    assert (metric.unit, metric.scale.source, metric.scale.sigma) == (
        "m",
        ScaleSource.EARLIER,
        0.03,
    )
    np.testing.assert_allclose(metric.depth, 250 * result.depth, rtol=1e-6)
    np.testing.assert_allclose(metric.pointmap_left, 250 * result.pointmap_left, rtol=1e-6)
    assert metric.pose is not None
    assert result.pose is not None
    assert np.linalg.norm(metric.pose.right_from_left[:3, 3]) == pytest.approx(
        250 * np.linalg.norm(result.pose.right_from_left[:3, 3])
    )
    left, before = metric.views["left"], result.views["left"]
    assert left.depth_sigma is not None
    assert before.depth_sigma is not None
    np.testing.assert_allclose(
        left.depth_sigma, np.hypot(250 * before.depth_sigma, 0.03 * metric.depth), rtol=1e-4
    )
    assert left.draws is not None
    assert before.draws is not None
    added = (left.draws - before.draws)[:, 0, 0]
    assert added.std() == pytest.approx(0.03, rel=1e-5)
    assert added.mean() == pytest.approx(0.0, abs=1e-7)
    np.testing.assert_array_equal(left.slope, before.slope)
    assert rescaled(result, sigma=0.01).unit == "relative"
