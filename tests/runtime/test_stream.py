"""StereoStream on rendered frames: what comes out, what carries over, what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest
from lunar_runtime import InputError, UsageError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.stream.rules import PairRules
from lunar_runtime.stream.stream import StereoStream
from lunar_runtime.stream.update import StreamCounts, StreamUpdate

from .descents import UP, TrueFrame, camera, some_frames

ERRORS = PoseErrors(rotation_deg=0.03, baseline=0.02)


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


def posed(runtime: StereoRuntime, *, background: bool = False) -> StereoStream:
    return StereoStream(
        runtime, camera(), up=UP, pose_errors=ERRORS, altitude_sigma=0.005, background=background
    )


def push(stream: StereoStream, frame: TrueFrame, *, pose: bool = True) -> StreamUpdate | None:
    return stream.push(frame.image, frame.time_s, frame.pose if pose else None)


def ratio(update: StreamUpdate, frame: TrueFrame) -> float:
    assert update.result is not None
    return float(np.nanmedian(update.result.depth / frame.depth_m))


def added_up(counts: StreamCounts) -> int:
    left_out = counts.late + counts.duplicates + counts.frozen + counts.dropped
    return counts.looked_at + counts.waiting + left_out


def test_frames_with_poses_become_measured_metres_of_the_newest_view(
    runtime: StereoRuntime,
) -> None:
    frames = some_frames()
    with posed(runtime) as stream:
        updates = [push(stream, frame) for frame in frames]
    made = [(update, frame) for update, frame in zip(updates, frames, strict=True) if update]
    assert len(made) >= 3
    for update, frame in made:
        result = update.result
        assert result is not None
        assert (result.verdict, result.unit) == ("measured", "m")
        assert result.scale.source is ScaleSource.RIG
        assert result.scale.sigma is not None
        # The poses' own error is all of the scale's, nearly: 0.02 of the way; 3 of them.
        assert 0.02 <= result.scale.sigma < 0.03
        assert abs(ratio(update, frame) - 1) < 3 * result.scale.sigma
        shape = result.depth / frame.depth_m / ratio(update, frame)
        assert np.nanmedian(np.abs(shape - 1)) < 0.004  # 0.001 to 0.0015 were seen
        assert update.scale_age_s == 0
        assert update.world_from_left is not None
        np.testing.assert_array_equal(update.world_from_left, frame.pose)
        assert {"wait", "select", "refine", "scale", "total"} <= set(update.latency_ms)
        parts = sum(ms for name, ms in update.latency_ms.items() if name != "total")
        assert parts <= update.latency_ms["total"] * 1.001
    assert stream.counts.pushed == len(frames) == added_up(stream.counts)
    assert stream.counts.pairs == len(made)


def test_the_same_frames_give_the_same_updates(runtime: StereoRuntime) -> None:
    frames = some_frames()[:5]
    runs = []
    for _ in range(2):
        with posed(runtime) as stream:
            runs.append([push(stream, frame) for frame in frames])
    assert any(runs[0])
    for one, other in zip(*runs, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.number, one.partner, one.counts) == (
                other.number,
                other.partner,
                other.counts,
            )
            assert one.result is not None
            assert other.result is not None
            np.testing.assert_array_equal(one.result.depth, other.result.depth)


def test_partners_keep_to_the_rules(runtime: StereoRuntime) -> None:
    rules = PairRules(parallax_deg=4.0, least_parallax_deg=3.5, most_parallax_deg=6.0)
    with StereoStream(
        runtime, camera(), up=UP, pose_errors=ERRORS, rules=rules, background=False
    ) as stream:
        for frame in some_frames():
            update = stream.push(frame.image, frame.time_s, frame.pose, frame.altitude_m)
            if update is not None and update.outlook == "poses":
                assert 3.5 <= update.parallax_deg <= 6.0
                assert update.overlap >= rules.least_overlap
    assert stream.counts.pairs >= 1


def test_frames_that_come_again_or_too_late_are_counted_and_left_out(
    runtime: StereoRuntime,
) -> None:
    first, second, third = some_frames()[:3]
    with posed(runtime) as stream:
        push(stream, first)
        push(stream, first)
        push(stream, third)
        push(stream, second)
        stream.push(third.image, third.time_s + 1, third.pose)
        counts = stream.counts
    assert (counts.pushed, counts.duplicates, counts.late, counts.frozen) == (5, 1, 1, 1)
    assert counts.looked_at == 2
    assert added_up(counts) == 5


def test_metres_carry_on_when_poses_stop_and_their_error_grows(runtime: StereoRuntime) -> None:
    frames = some_frames()
    with posed(runtime) as stream:
        told = [push(stream, frame) for frame in frames[:4]]
        later = [push(stream, frame, pose=False) for frame in frames[4:]]
    last = next(update for update in reversed(told) if update)
    carried = [
        (update, frame)
        for update, frame in zip(later, frames[4:], strict=True)
        if update and update.result and update.result.scale.source is ScaleSource.EARLIER
    ]
    assert carried
    assert last.result is not None
    for update, frame in carried:
        assert update.result is not None
        assert update.result.unit == "m"
        assert update.scale_age_s is not None
        assert update.scale_age_s > 0
        assert update.result.scale.sigma is not None
        assert last.result.scale.sigma is not None
        assert update.result.scale.sigma > 0.99 * last.result.scale.sigma
        assert abs(ratio(update, frame) - 1) < 4 * update.result.scale.sigma
        assert update.pose_carried
        assert update.world_from_left is not None
        # Within the error of the way since: 0.02 of a few kilometres, and the poses' own.
        off = np.linalg.norm(update.world_from_left[:3, 3] - frame.pose[:3, 3])
        assert off < 0.1 * np.nanmedian(frame.depth_m)


def test_an_altitude_makes_metres_without_poses(runtime: StereoRuntime) -> None:
    frames = some_frames()
    with StereoStream(runtime, camera(), altitude_sigma=0.005, background=False) as stream:
        updates = [
            (stream.push(frame.image, frame.time_s, altitude_m=frame.altitude_m), frame)
            for frame in frames
        ]
    made = [
        (update, frame)
        for update, frame in updates
        if update and update.result and update.result.verdict == "measured"
    ]
    assert made
    for update, frame in made:
        assert update.result is not None
        assert update.outlook == "matches"
        assert update.result.scale.source is ScaleSource.ALTITUDE
        assert update.result.scale.sigma is not None
        assert abs(ratio(update, frame) - 1) < 4 * update.result.scale.sigma


def test_a_jump_of_the_exposure_is_no_obstacle_and_a_white_frame_is_left_out(
    runtime: StereoRuntime,
) -> None:
    frames = some_frames()
    with posed(runtime) as stream:
        for frame in frames[:3]:
            push(stream, frame)
        white = np.full_like(frames[3].image, 255)
        assert stream.push(white, frames[3].time_s, frames[3].pose) is None
        dark = (frames[5].image * 0.4).astype(np.uint8)
        update = stream.push(dark, frames[5].time_s, frames[5].pose)
        counts = stream.counts
    assert counts.unusable == 1
    assert update is not None
    assert update.result is not None
    assert update.partner != 3
    assert (
        np.nanmedian(np.abs(update.result.depth / frames[5].depth_m / ratio(update, frames[5]) - 1))
        < 0.004
    )


def test_a_camera_that_rolls_by_a_quarter_keeps_its_pairs(runtime: StereoRuntime) -> None:
    frames = some_frames()
    quarter = np.eye(4)
    # A camera turned clockwise shows its image turned the other way: new x is old y.
    quarter[:3, :3] = [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]
    with posed(runtime) as stream:
        for frame in frames[:3]:
            push(stream, frame)
        last = frames[5]
        rolled = np.ascontiguousarray(np.rot90(last.image, -1))
        update = stream.push(rolled, last.time_s, last.pose @ quarter)
    assert update is not None
    assert update.result is not None
    depth = np.rot90(last.depth_m, -1)
    shape = update.result.depth / depth
    assert np.nanmedian(np.abs(shape / np.nanmedian(shape) - 1)) < 0.004


def test_after_a_gap_the_stream_starts_again(runtime: StereoRuntime) -> None:
    before, after = some_frames()[:3], some_frames(150, 3, 4)
    with posed(runtime) as stream:
        for frame in before:
            stream.push(frame.image, frame.time_s, frame.pose, frame.altitude_m)
        updates = [
            stream.push(frame.image, frame.time_s, frame.pose, frame.altitude_m) for frame in after
        ]
        counts = stream.counts
    assert counts.restarts == 1
    assert updates[0] is None
    made = [update for update in updates if update]
    assert made
    assert min(update.partner for update in made) >= 3


def test_a_busy_stream_takes_the_newest_frame_next_and_counts_the_others(
    runtime: StereoRuntime,
) -> None:
    frames = some_frames()
    with posed(runtime, background=True) as stream:
        updates = [push(stream, frame) for frame in frames]  # all of them within one pair's time
        updates += stream.finish()
        counts = stream.counts
    made = [update for update in updates if update]
    assert made[-1].number == len(frames) - 1
    assert counts.dropped >= 1
    assert counts.waiting == 0
    assert added_up(counts) == counts.pushed == len(frames)
    for update in made:
        assert update.latency_ms["total"] >= update.latency_ms["wait"]


def test_what_a_stream_keeps_is_bounded(runtime: StereoRuntime) -> None:
    frame = some_frames()[0]
    rng = np.random.default_rng(0)
    with StereoStream(runtime, camera(), keep=8, background=False) as stream:
        for number in range(20):  # noise: no partner is ever found, none is ever lost
            noise = rng.integers(0, 255, frame.image.shape, dtype=np.uint8)
            stream.push(noise, float(number))
        assert len(stream._kept) <= 8
    assert {field.name for field in fields(stream.counts)} >= {"pushed", "dropped", "late"}


def test_what_cannot_be_is_refused_in_words(runtime: StereoRuntime) -> None:
    frame = some_frames()[0]
    with StereoStream(runtime, camera(), background=False) as stream:
        with pytest.raises(UsageError, match="`pose` without `pose_errors`"):
            stream.push(frame.image, 0.0, frame.pose)
        with pytest.raises(InputError, match="`time_s` nan"):
            stream.push(frame.image, float("nan"))
        with pytest.raises(InputError, match="`altitude_m` -1"):
            stream.push(frame.image, 0.0, altitude_m=-1.0)
        stream.push(frame.image, 0.0)
        with pytest.raises(InputError, match="128x128 px, and those before are 256x256"):
            stream.push(frame.image[::2, ::2], 1.0)
    with pytest.raises(UsageError, match="the stream is closed"):
        stream.push(frame.image, 2.0)
    with posed(runtime) as stream, pytest.raises(InputError, match="rigid transform"):
        stream.push(frame.image, 0.0, 2 * frame.pose)
    with pytest.raises(UsageError, match="`keep` 2"):
        StereoStream(runtime, camera(), keep=2)
    with pytest.raises(UsageError, match="`least_parallax_deg` 9"):
        StereoStream(runtime, camera(), rules=PairRules(least_parallax_deg=9.0))


def test_poses_that_err_as_much_as_they_say_do_not_lose_the_pair(runtime: StereoRuntime) -> None:
    # Every way is told a quarter of a right angle aside, within two of its own sigmas: fitted from
    # there alone the pose ended beside the right one, and the pair was refused.
    turn = np.radians(22.5)
    aside = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    errors = PoseErrors(rotation_deg=0.07, baseline=0.2)
    made = []
    with StereoStream(
        runtime, camera(), up=UP, pose_errors=errors, altitude_sigma=0.005, background=False
    ) as stream:
        for frame in some_frames():
            pose = frame.pose.copy()
            pose[:3, 3] = aside @ pose[:3, 3]
            update = stream.push(frame.image, frame.time_s, pose, frame.altitude_m)
            if update is not None:
                made.append((update, frame))
    assert made
    for update, frame in made:
        assert update.refused is None
        assert update.result is not None
        assert update.result.scale.source is ScaleSource.ALTITUDE
        assert update.result.scale.sigma is not None
        assert abs(ratio(update, frame) - 1) < 3 * update.result.scale.sigma
