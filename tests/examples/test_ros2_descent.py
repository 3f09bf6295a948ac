"""The ROS 2 node of one descending camera: a stream's own words as messages, without ROS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lunar_runtime import InputError, StereoRuntime, StereoStream
from lunar_runtime.files.descent_file import PoseErrors
from runtime.descents import UP, TrueFrame, camera, some_frames

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")

from descent_logic import DescentLogic, Said
from ground.bags.recordings import START_NS, camera_info, image, make, pose
from lunar_ground.bags import messages as ros
from lunar_ground.bags.layouts import encoded, store
from lunar_ground.bags.poses import quaternion_of

ERRORS = PoseErrors(rotation_deg=0.03, baseline=0.02)
FRAMES = 4


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


def logic_of(runtime: StereoRuntime, *, errors: PoseErrors | None = ERRORS) -> DescentLogic:
    logic = DescentLogic(runtime, pose_errors=errors, up=UP, altitude_sigma=0.005, background=False)
    K = camera()
    logic.info(camera_info((K.fx, K.fy, K.cx - 0.5, K.cy - 0.5), (256, 256)))
    return logic


def at(frame: TrueFrame) -> int:
    return START_NS + round(frame.time_s * 1e9)


def posed(frame: TrueFrame, late_ns: int = 0) -> Any:
    stamped = pose(frame.pose[:3, 3].tolist(), quaternion_of(frame.pose[:3, :3]).tolist())
    header = image(frame.image, "mono8", at(frame) + late_ns).header
    return make(ros.POSE, header=header, pose=stamped)


def said_of(logic: DescentLogic, *, poses: bool = True) -> list[Said]:
    said = []
    for frame in some_frames()[:FRAMES]:
        said += logic.image(image(frame.image, "mono8", at(frame), padding=3))
        if poses:
            said += logic.pose(posed(frame))
    return said + logic.finish()


def test_a_descent_becomes_the_streams_updates_as_messages(runtime: StereoRuntime) -> None:
    said = said_of(logic_of(runtime))
    with StereoStream(
        runtime, camera(), up=UP, pose_errors=ERRORS, altitude_sigma=0.005, background=False
    ) as stream:
        frames = some_frames()[:FRAMES]
        pushed = [stream.push(f.image, f.time_s, f.pose) for f in frames]
    updates = [update for update in pushed if update is not None]
    assert updates
    depths = [fields for topic, _, fields in said if topic == "/lunar/depth"]
    assert len(depths) == len(updates)
    for depth, update in zip(depths, updates, strict=True):
        assert update.result is not None
        values = depth["data"].view("<f4").reshape(depth["height"], depth["width"])
        # Poses went through quaternions, times through nanoseconds.
        np.testing.assert_allclose(values, update.result.depth, rtol=1e-4)
        stamp = depth["header"]["stamp"]
        assert stamp["sec"] * 10**9 + stamp["nanosec"] == at(frames[update.number])
    for _, kind, fields in said:
        store().deserialize_cdr(encoded(kind, fields), kind)  # every field, and no other
    poses = [fields for topic, _, fields in said if topic == "/lunar/pose"]
    place = poses[0]["pose"]["position"]
    told = frames[updates[0].number].pose[:3, 3]
    np.testing.assert_allclose([place[axis] for axis in "xyz"], told, rtol=1e-9)
    (status,) = next(fields for topic, _, fields in said if topic == "/diagnostics")["status"]
    facts = {each["key"]: each["value"] for each in status["values"]}
    assert (status["message"], facts["scale"]) == ("measured", "rig")
    assert facts["frames pushed"] == str(updates[0].counts.pushed)


def test_a_frame_waits_for_the_pose_after_it_but_not_for_ever(runtime: StereoRuntime) -> None:
    logic = logic_of(runtime)
    first, second, third = some_frames()[:3]
    logic.pose(posed(first))
    logic.image(image(first.image, "mono8", at(first)))
    assert logic._held is None  # its pose was there
    logic.image(image(second.image, "mono8", at(second)))
    assert logic._held is not None
    logic.image(image(third.image, "mono8", at(third)))
    assert logic._held.time_ns == at(third)
    assert logic._stream is not None
    assert logic._stream.counts.pushed == 2
    logic.pose(posed(third, late_ns=1))
    assert logic._held is None
    assert logic._stream.counts.pushed == 3
    logic.finish()


def test_without_lengths_diagnostics_say_why(runtime: StereoRuntime) -> None:
    said = said_of(logic_of(runtime, errors=None), poses=False)
    assert {topic for topic, _, _ in said} == {"/diagnostics"}
    (status,) = said[0][2]["status"]
    assert status["level"] == ros.ERROR
    assert status["message"].startswith("refused: relative, and ROS' lengths are metres")


def test_a_frame_before_its_camera_is_refused(runtime: StereoRuntime) -> None:
    with pytest.raises(InputError, match="no camera_info has come yet"):
        DescentLogic(runtime).image(image(np.zeros((8, 8), np.uint8), "mono8"))


def test_heights_fix_the_scale_between_their_neighbours(runtime: StereoRuntime) -> None:
    logic = logic_of(runtime, errors=None)
    said = []
    for frame in some_frames()[:FRAMES]:
        header = image(frame.image, "mono8", at(frame)).header
        said += logic.image(image(frame.image, "mono8", at(frame)))
        fields = {**ros.range_fields(frame.altitude_m, ros.Stamp(0, "")), "header": header}
        said += logic.altitude(make(ros.RANGE, **fields))
    said += logic.finish()
    statuses = [fields["status"][0] for topic, _, fields in said if topic == "/diagnostics"]
    facts = {each["key"]: each["value"] for each in statuses[-1]["values"]}
    assert facts["scale"] == "altitude"
