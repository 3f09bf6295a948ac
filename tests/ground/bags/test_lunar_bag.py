"""lunar-bag: recordings to pairs and descents, results and descents to recordings."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lunar_calib.datasets.descent_folders import write_descent_folder
from lunar_calib.specs.descent_spec import NavigationSpec, sample_descent
from lunar_runtime.files.decode_file import decode_file
from lunar_runtime.files.descent_file import read_descent
from lunar_runtime.files.pair_lists import read_pairs
from lunar_runtime.geometry.rig_file import read_rig
from runtime.outcomes import Outcome, run_main

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")
pytest.importorskip("mcap", reason="needs mcap, of the extra `bags`")

from ground.bags.recordings import (
    START_NS,
    Said,
    bolted,
    camera_info,
    image,
    write_mcap,
    write_rosbag,
)
from lunar_ground.commands.bag import main

SIZE = (64, 48)
K = (500.0, 510.0, 31.5, 23.5)


@pytest.fixture
def bag_tool(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    return lambda *arguments: run_main(main, arguments, capfd)


def stereo(late_ms: float = 0.0, *, tx: float = 0.0) -> list[Said]:
    """Ten pairs; the third right image is missing. Values say which is which."""
    link = bolted("left", "right", (0.12, 0, 0), (0, 0, 0, 1))
    said = [Said("/tf_static", "tf2_msgs/msg/TFMessage", link, START_NS)]
    for i in range(10):
        for side in ("left", "right"):
            if (i, side) == (2, "right"):
                continue
            time_ns = START_NS + i * 100_000_000 + int((side == "right") * late_ms * 1e6)
            d = [-0.1, 0.01, 0, 0, 0]
            info = camera_info(
                K, SIZE, d=d, frame=side, time_ns=time_ns, tx=tx if side == "right" else 0.0
            )
            values = np.full((48, 64), 1000 * i + (side == "right"), np.uint16)
            said += [
                Said(f"/{side}/camera_info", "sensor_msgs/msg/CameraInfo", info, time_ns),
                Said(
                    f"/{side}/image_raw",
                    "sensor_msgs/msg/Image",
                    image(values, "mono16", time_ns, big=True, padding=4, frame=side),
                    time_ns,
                ),
            ]
    return said


PAIR = ("--left", "/left/image_raw", "--right", "/right/image_raw")


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_stereo_recording_becomes_pairs_with_their_rig(
    storage: str, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag = write_rosbag(tmp_path / "bag", stereo(), storage)
    out = tmp_path / "pairs"
    outcome = bag_tool("pairs", bag, *PAIR, "--out", out)
    assert outcome.code == 0
    assert (
        outcome.out
        == f"9 pairs, 1 images without one of the other camera, over 0.900 s, in {out}\n"
    )
    assert "no checksums in " in outcome.err
    pairs = read_pairs(out / "pairs.csv")
    for pair, i in zip(pairs, (0, 1, 3, 4, 5, 6, 7, 8, 9), strict=True):
        for path, value in ((pair.left, 1000 * i), (pair.right, 1000 * i + 1)):
            values = decode_file(path).values
            assert values.dtype == np.uint16
            assert (values == value).all()
    assert pairs[0].rig is not None
    rig = read_rig(pairs[0].rig)
    assert rig.left is not None
    assert (rig.left.fx, rig.left.cx) == (500, 32)
    assert rig.distortion_right is not None
    assert rig.distortion_right.k1 == -0.1
    assert rig.right_from_left is not None
    np.testing.assert_allclose(rig.right_from_left[:3, 3], [-0.12, 0, 0])
    with (out / "times.csv").open(newline="") as file:
        times = [float(row["time_s"]) for row in csv.DictReader(file)]
    assert times[2] - times[0] == pytest.approx(0.3, abs=1e-6)


def test_rectified_cameras_tell_their_baseline_and_no_lens(
    bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag = write_mcap(tmp_path / "a.mcap", stereo(tx=-500 * 0.25))
    assert bag_tool("pairs", bag, *PAIR, "--rectified", "--out", tmp_path / "o").code == 0
    rig = read_rig(tmp_path / "o" / "rig.json")
    assert rig.lenses == (None, None)
    assert rig.right_from_left is not None
    np.testing.assert_allclose(rig.right_from_left[:3, 3], [-0.25, 0, 0])


def test_images_that_are_apart_in_time_are_no_pair(
    bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag = write_mcap(tmp_path / "a.mcap", stereo(late_ms=7))
    outcome = bag_tool("pairs", bag, *PAIR, "--out", tmp_path / "o")
    assert outcome.code == 3
    assert "within 1 ms of one of /left/image_raw; the nearest are 7 ms apart; see --within-ms" in (
        outcome.err
    )
    assert not (tmp_path / "o").exists()
    assert bag_tool("pairs", bag, *PAIR, "--within-ms", 8, "--out", tmp_path / "o").code == 0


def test_a_cut_recording_needs_recover_and_says_what_was_lost(
    bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag = write_mcap(tmp_path / "a.mcap", stereo(), chunk_size=20_000)
    bag.write_bytes(bag.read_bytes()[:-3000])
    call = ("pairs", bag, *PAIR, "--out", tmp_path / "o")
    refused = bag_tool(*call)
    assert (refused.code, refused.out) == (3, "")
    assert "was cut, as by a loss of power, after " in refused.err
    assert refused.err.rstrip().endswith("set --recover to take what is whole")
    assert not (tmp_path / "o").exists()
    taken = bag_tool(*call, "--recover")
    assert taken.code == 0
    assert "lunar-bag: note: recovered; a.mcap: it was cut" in taken.err
    listed = bag_tool("info", bag, "--recover")
    assert "lunar-bag: recovered; a.mcap: it was cut" in listed.err
    assert "/left/image_raw" in listed.out
    assert listed.out.endswith("messages; checksums of what was read right\n")


@pytest.mark.parametrize("within", [False, True])
def test_a_pipe_in_place_of_a_recording_is_refused_and_not_waited_for(
    within: bool, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    (tmp_path / "bag").mkdir()
    os.mkfifo(tmp_path / "bag/a.mcap")
    outcome = bag_tool("info", tmp_path / ("bag" if within else "bag/a.mcap"))
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.endswith("bag/a.mcap: is not a regular file; give a recording\n")


def test_info_reads_everything(bag_tool: Callable[..., Outcome], tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / "a.mcap", stereo())
    outcome = bag_tool("info", bag)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "39 messages; checksums right"
    assert "       9  sensor_msgs/msg/Image  /right/image_raw" in outcome.out


def test_types_spelled_as_in_ros_1_become_the_same_pairs(
    bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    for name in ("now", "then"):
        bag = write_rosbag(tmp_path / name, stereo(), "sqlite3", old_names=name == "then")
        outcome = bag_tool("pairs", bag, *PAIR, "--out", tmp_path / f"{name}_pairs")
        assert outcome.code == 0
    now, then = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (tmp_path / "now_pairs", tmp_path / "then_pairs")
    )
    assert len(now) == 2 * 9 + 3
    assert then == now


@pytest.mark.parametrize("call", [("info",), ("frames", "--image", "/left/image_raw", "--out")])
def test_a_lone_file_of_compressed_messages_says_what_to_do(
    call: tuple[str, ...], bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag = write_rosbag(tmp_path / "bag", stereo(), "mcap", compressed_messages=True)
    name, *options = call
    out = [tmp_path / "o"] if options else []
    for path in (bag, bag / "bag.mcap"):
        outcome = bag_tool(name, path, *options, *out)
        assert (outcome.code, outcome.out) == (3, "")
        assert "its messages are compressed; `ros2 bag convert`" in outcome.err
    assert not (tmp_path / "o").exists()


def test_errors_name_the_flags_of_the_command_that_was_called(
    bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    said = [entry for entry in stereo() if not entry.topic.endswith("camera_info")]
    small = camera_info(K, (32, 24))
    said.append(Said("/small", "sensor_msgs/msg/CameraInfo", small, START_NS))
    bag = write_mcap(tmp_path / "a.mcap", said)
    out = ("--out", tmp_path / "o")
    one = ("frames", bag, "--image", "/left/image_raw", *out)
    for call, code, told in (
        (one, 3, "the recording has no camera_info for it; name it with --info\n"),
        ((*one, "--info", "/small"), 3, "by a camera of 32 x 24; name the right --info\n"),
        ((*one, "--info", "/none"), 2, "--info /none: no such topic in "),
        (("pairs", bag, *PAIR, "--right-info", "/small", *out), 3, "name the right --right-info\n"),
        (("pairs", bag, *PAIR, "--left-info", "/none", *out), 2, "--left-info /none: no such"),
        (("pairs", bag, *PAIR[:3], "/none", *out), 2, "--right /none: no such topic in "),
    ):
        outcome = bag_tool(*call)
        assert outcome.code == code
        assert told in outcome.err
        assert not (tmp_path / "o").exists()


# --- descents ---


@pytest.fixture(scope="module")
def descent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little rendered one."""
    out = tmp_path_factory.mktemp("descent") / "d"
    spec = sample_descent(3, 64, 5, "terminal", "realistic", NavigationSpec(0.02, 0.02, 0.005))
    for _ in write_descent_folder(spec, out):
        pass
    return out


def test_a_descent_written_as_a_bag_is_read_back_equal(
    descent: Path, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert bag_tool("write", descent, "--out", tmp_path / "bag").code == 0
    errors = read_descent(descent).pose_errors
    assert errors is not None
    outcome = bag_tool(
        "frames", tmp_path / "bag", "--image", "/camera/image_raw", "--pose", "/camera/pose",
        "--altitude", "/camera/altitude", "--out", tmp_path / "back",
        "--pose-errors", f"{errors.rotation_deg},{errors.baseline}",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("5 frames, 5 with a pose, 5 with an altitude, over ")
    first, second = read_descent(descent), read_descent(tmp_path / "back")
    assert second.camera == first.camera
    assert second.pose_errors == first.pose_errors
    for one, two in zip(first.frames, second.frames, strict=True):
        pixels = [
            decode_file(folder / frame.file).values
            for folder, frame in ((descent, one), (tmp_path / "back", two))
        ]
        np.testing.assert_array_equal(pixels[0], pixels[1])
        assert two.time_s == pytest.approx(one.time_s, abs=1e-9)  # of ROS' clock
        assert one.world_from_camera is not None
        assert two.world_from_camera is not None
        np.testing.assert_allclose(two.world_from_camera, one.world_from_camera, atol=1e-9)
        assert two.altitude_m == pytest.approx(one.altitude_m, rel=1e-6)  # Range is float32


def test_poses_without_their_errors_are_said_to_be_unused(
    descent: Path, bag_tool: Callable[..., Outcome], tmp_path: Path
) -> None:
    bag_tool("write", descent, "--out", tmp_path / "bag")
    call = ("frames", tmp_path / "bag", "--image", "/camera/image_raw", "--pose", "/camera/pose")
    outcome = bag_tool(*call, "--out", tmp_path / "o", "--every", 2)
    assert "note: the poses are not used until --pose-errors says how wrong they" in outcome.err
    assert len(read_descent(tmp_path / "o").frames) == 3
    wrong = bag_tool(*call, "--out", tmp_path / "p", "--pose-errors", "1")
    assert (wrong.code, wrong.err) == (
        2,
        "lunar-bag: --pose-errors 1: write two numbers, as in 0.02,0.01\n",
    )


def test_a_lens_is_no_descents(bag_tool: Callable[..., Outcome], tmp_path: Path) -> None:
    bag = write_mcap(tmp_path / "a.mcap", stereo())
    call = ("frames", bag, "--image", "/left/image_raw", "--out", tmp_path / "o")
    outcome = bag_tool(*call)
    assert outcome.code == 3
    assert "has a lens (brown_conrady), and a descent's is a pinhole" in outcome.err
    assert bag_tool(*call, "--rectified").code == 0
