"""A recording's cameras and poses are those that the rig and the stream expect."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")
pytest.importorskip("mcap", reason="needs mcap, of the extra `bags`")

from ground.bags.recordings import (
    START_NS,
    STORE,
    Said,
    bolted,
    camera_info,
    image,
    odometry,
    write_mcap,
)
from lunar_ground.bags.bag import Bag
from lunar_ground.bags.cameras import camera_of
from lunar_ground.bags.frames import Frames, Named
from lunar_ground.bags.poses import Track, quaternion_of, rotation_of

K = (500.0, 510.0, 31.5, 23.5)
SIZE = (64, 48)


def test_a_pixel_of_ros_is_counted_from_the_centre_of_the_first() -> None:
    camera = camera_of(camera_info(K, SIZE), rectified=False)
    assert camera.intrinsics == Intrinsics(500, 510, 32, 24)  # the middle of 64 x 48
    assert (camera.width, camera.height, camera.distortion) == (64, 48, None)


def test_a_part_of_the_sensor_and_binning_count() -> None:
    info = camera_info(K, SIZE, roi=(16, 8, 32, 32), binning=2)
    camera = camera_of(info, rectified=False)
    assert (camera.width, camera.height) == (16, 16)
    assert camera.intrinsics == Intrinsics(250, 255, 8, 8)


@pytest.mark.parametrize(
    ("model", "d", "ours"),
    [
        ("plumb_bob", [-0.2, 0.03, 0.001, -0.002, 0.01],
         Distortion(k1=-0.2, k2=0.03, p1=0.001, p2=-0.002, k3=0.01)),
        ("plumb_bob", [0.0] * 5, None),
        ("rational_polynomial", [0.1, 0.2, 0.001, 0.002, 0.3, 0.4, 0.5, 0.6],
         Distortion(k1=0.1, k2=0.2, p1=0.001, p2=0.002, k3=0.3, k4=0.4, k5=0.5, k6=0.6)),
        ("equidistant", [0.1, -0.02, 0.003, -0.004],
         Distortion("fisheye", k1=0.1, k2=-0.02, k3=0.003, k4=-0.004)),
    ],
)  # fmt: skip
def test_distortion_becomes_the_rigs(model: str, d: list[float], ours: Distortion | None) -> None:
    camera = camera_of(camera_info(K, SIZE, d=d, model=model), rectified=False)
    assert camera.distortion == ours
    assert camera_of(camera_info(K, SIZE, d=d, model=model), rectified=True).distortion is None
    if ours is None:
        return
    # The same point is seen at the same place, by OpenCV with ROS' numbers and by our lens.
    point = np.array([[[0.1, -0.2, 1.0]]])
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    seen, _ = project(point, np.zeros(3), np.zeros(3), np.eye(3), np.array(d))
    bent = np.array(ours.bend(np.array(0.1), np.array(-0.2)))
    np.testing.assert_allclose(bent, np.asarray(seen, np.float64).ravel(), atol=1e-12)


def test_the_right_rectified_camera_tells_the_baseline() -> None:
    camera = camera_of(camera_info(K, SIZE, tx=-500 * 0.12), rectified=True)
    assert camera.baseline_m == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (camera_info((0, 0, 0, 0), SIZE), "is not calibrated: its focal length is 0"),
        (camera_info(K, SIZE, d=[0.1], model="thin_prism"), "has a lens of model 'thin_prism'"),
        (camera_info(K, SIZE, d=[0.1] * 8), "has 8 numbers of a plumb_bob lens"),
    ],
)
def test_a_camera_that_is_not_understood_is_refused(info: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        camera_of(info, rectified=False)


def test_quaternions_and_rotations_are_each_others_inverse() -> None:
    rng = np.random.default_rng(0)
    for q in [*rng.standard_normal((50, 4)), *np.eye(4)]:
        q = q / np.linalg.norm(q)
        back = quaternion_of(rotation_of(q))
        assert abs(abs(back @ q) - 1) < 1e-12
    quarter = np.sqrt(0.5)
    np.testing.assert_allclose(  # a quarter about z takes x to y
        rotation_of(np.array([0, 0, quarter, quarter])) @ [1, 0, 0], [0, 1, 0], atol=1e-12
    )


def test_a_pose_between_two_is_half_of_the_way_and_of_the_turn() -> None:
    track = Track(longest_s=2.0)
    end = np.eye(4)
    end[:3, :3] = rotation_of(np.array([0, 0, np.sin(0.5), np.cos(0.5)]))  # 1 rad about z
    end[:3, 3] = 2, 4, 6
    track.add(11.0, end)
    track.add(10.0, np.eye(4))  # they may come late
    middle = track.at(10.5)
    assert middle is not None
    np.testing.assert_allclose(middle[:3, 3], [1, 2, 3])
    np.testing.assert_allclose(
        middle[:3, :3], rotation_of(np.array([0, 0, np.sin(0.25), np.cos(0.25)]))
    )
    assert track.at(9.9) is None  # none is made up outside
    track.add(14.0, np.eye(4))
    assert track.at(12.0) is None  # nor across a gap


def recording(folder: Path, *, child: str = "body", tree: bool = True) -> Path:
    """Ten images, odometry of the body between and around them, the camera bolted to the body."""
    half = np.sqrt(0.5)
    said = []
    if tree:  # the camera looks along the body's x axis, one metre before it
        link = bolted("body", "camera", (1, 0, 0), (-0.5, 0.5, -0.5, 0.5))
        said.append(Said("/tf_static", "tf2_msgs/msg/TFMessage", link, START_NS))
    for i in range(10):
        time_ns = START_NS + i * 100_000_000
        values = np.full((48, 64), i, np.uint8)
        said.append(
            Said(
                "/nav/odometry",
                "nav_msgs/msg/Odometry",
                odometry((10.0 * i - 5, 0, 100), (0, 0, half, half), time_ns - 50_000_000, child),
                time_ns + 30_000_000,  # recorded later
            )
        )
        info = camera_info(K, SIZE, time_ns=time_ns)
        said.append(Said("/camera/camera_info", "sensor_msgs/msg/CameraInfo", info, time_ns))
        picture = image(values, "mono8", time_ns)
        said.append(Said("/camera/image_raw", "sensor_msgs/msg/Image", picture, time_ns))
        height = STORE.types["std_msgs/msg/Float64"](data=100.0 - i)
        said.append(Said("/altitude", "std_msgs/msg/Float64", height, time_ns - 50_000_000))
    return write_mcap(folder / "a.mcap", said)


NAMED = Named("/camera/image_raw", pose="/nav/odometry", altitude="/altitude")


def test_frames_have_the_pose_of_the_camera_at_their_time(tmp_path: Path) -> None:
    frames = list(Frames(Bag(recording(tmp_path)), NAMED))
    assert len(frames) == 10
    for i, frame in enumerate(frames[:-1]):
        assert frame.image[0, 0] == i
        assert frame.time_s == pytest.approx(START_NS * 1e-9 + 0.1 * i, abs=1e-6)
        assert frame.world_from_camera is not None
        # Odometry says 10 i - 5 at 50 ms before and 10 i + 5 at 50 ms after; the body looks along
        # the world's y, and the camera is one metre before it. Times are to 0.2 us.
        np.testing.assert_allclose(frame.world_from_camera[:3, 3], [10 * i, 1, 100], atol=1e-3)
        np.testing.assert_allclose(
            frame.world_from_camera[:3, :3] @ [0, 0, 1], [0, 1, 0], atol=1e-9
        )
        assert frame.altitude_m == pytest.approx(100 - i - 0.5, abs=1e-4)
        assert frame.camera is not None
        assert frame.camera.intrinsics.cx == 32
    assert frames[-1].world_from_camera is None  # no odometry after it
    assert frames[-1].altitude_m is None


@pytest.mark.parametrize(
    ("picture", "infos", "taken"),
    [
        ("/camera/image_raw", ["/camera/camera_info", "/camera_info"], "/camera/camera_info"),
        ("/camera/image/compressed", ["/camera/camera_info"], "/camera/camera_info"),
        ("/image", ["/other/camera_info", "/camera_info"], "/camera_info"),
        # As recordings of ROS 1 have them: with a slash here, without it there.
        ("camera/image/compressed", ["/camera/camera_info"], "/camera/camera_info"),
        ("camera/image/compressed", ["camera/camera_info"], "camera/camera_info"),
        ("/camera/image_raw", ["camera/camera_info"], "camera/camera_info"),
        ("image", ["/camera_info"], "/camera_info"),
        ("image", ["camera_info"], "camera_info"),
        # The nearest; of two as near, the one that is spelled as the images are.
        ("camera/image", ["camera_info", "/camera/camera_info"], "/camera/camera_info"),
        ("camera/image", ["/camera/camera_info", "camera/camera_info"], "camera/camera_info"),
        ("/camera/image", ["camera/camera_info", "/camera/camera_info"], "/camera/camera_info"),
        ("/camera/image", ["/other/camera_info"], None),
    ],
)
def test_the_camera_is_told_beside_its_images(
    picture: str, infos: list[str], taken: str | None, tmp_path: Path
) -> None:
    values = image(np.zeros((48, 64), np.uint8), "mono8")
    said = [Said(picture, "sensor_msgs/msg/Image", values, START_NS)]
    for name in infos:
        info = camera_info(K, SIZE, frame=name)
        said.append(Said(name, "sensor_msgs/msg/CameraInfo", info, START_NS))
    camera = Frames(Bag(write_mcap(tmp_path / "a.mcap", said)), Named(picture)).camera
    assert (None if camera is None else camera.frame) == taken


def test_poses_of_a_frame_that_is_bolted_to_nothing_are_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, tree=False)
    with pytest.raises(InputError, match="poses of 'body', the camera is 'camera', and /tf_sta"):
        Frames(Bag(path), NAMED)
    taken = Frames(Bag(path), Named(**{**vars(NAMED), "pose_of": "camera"}))
    first = next(iter(taken))
    assert first.world_from_camera is not None
    np.testing.assert_allclose(first.world_from_camera[:3, 3], [0, 0, 100], atol=1e-3)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (Named("/none"), "`image` /none: no such topic in .*; there are /camera/image_raw"),
        (Named("/altitude"), "`image` /altitude: is of std_msgs/msg/Float64, not of sensor_msgs"),
        (Named("/camera/image_raw", pose="/altitude"), "`pose` /altitude: is of std_msgs"),
    ],
)
def test_a_wrong_topic_is_named_with_those_that_fit(
    named: Named, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        Frames(Bag(recording(tmp_path)), named)
