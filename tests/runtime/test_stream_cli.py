"""`lunar-infer --stream`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.files.descent_file import (
    Descent,
    DescentCamera,
    DescentFrame,
    Pose,
    PoseErrors,
    write_descent,
)
from lunar_runtime.files.frame_source import open_frames
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.report.stream_record import StreamRecord

from .descents import SIZE, camera, some_frames
from .outcomes import Outcome

K = camera()
STREAM = ("--stream", "--refine", "auto")  # else the fixture leaves it out
INTRINSICS = f"{K.fx},{K.fy},{K.cx},{K.cy}"


@pytest.fixture
def descent(tmp_path: Path) -> Path:
    """Five frames of a descent; the fourth one's image is missing."""
    folder = tmp_path / "descent"
    (folder / "frames").mkdir(parents=True)
    frames = []
    for number, frame in enumerate(some_frames()[:5]):
        name = f"frames/{number:06d}.png"
        if number != 3:
            assert cv2.imwrite(str(folder / name), frame.image)
        pose = msgspec.convert(frame.pose.tolist(), Pose)
        frames.append(DescentFrame(name, frame.time_s, pose, frame.altitude_m))
    known = DescentCamera(SIZE, SIZE, (K.fx, K.fy, K.cx, K.cy))
    write_descent(Descent(1, known, frames, (0.0, 0.0, 1.0), PoseErrors(0.03, 0.02), 0.005), folder)
    return folder


def test_a_descents_folder_becomes_results_and_a_summary(
    infer: Callable[..., Outcome], descent: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = infer(*STREAM, descent, "--out", out, "--threads", 1)
    assert outcome.code == 0
    assert outcome.err == (
        f"lunar-infer: {descent}/frames/000003.png: no such file; check the path\n"
    )
    lines = (out / "stream.jsonl").read_bytes().splitlines()
    records = [msgspec.json.decode(line, type=StreamRecord) for line in lines]
    assert records
    for record in records:
        assert record.folder is not None
        report = json.loads((out / record.folder / "report.json").read_bytes())
        assert report["verdict"] == record.verdict == "measured"
        assert report["left"]["path"].startswith("frames/00000")
        depth = read_raster(out / record.folder / "depth.tif")
        assert record.depth_median == pytest.approx(float(np.nanmedian(depth)), rel=1e-5)
        assert record.unit == "m"
    told = outcome.out.splitlines()
    assert len(told) == len(records) + 1
    assert told[0].startswith(f"{records[0].number:06d} with {records[0].partner:06d}: measured; ")
    assert told[-1].startswith(f"5 frames (1 not readable), {len(records)} pairs (0 refused); ")
    again = infer(*STREAM, descent, "--out", out, "--threads", 1)
    assert again.code == 3
    assert "stream.jsonl: exists already; set --overwrite" in again.err


def test_a_frame_that_does_not_fit_is_named_and_the_others_go_on(
    infer: Callable[..., Outcome], descent: Path, tmp_path: Path
) -> None:
    small = descent / "frames/000003.png"
    assert cv2.imwrite(str(small), np.full((SIZE // 2, SIZE), 7, np.uint8))
    told = json.loads((descent / "descent.json").read_bytes())
    told["frames"][4]["world_from_camera"][0][0] += 1
    (descent / "descent.json").write_text(json.dumps(told))
    outcome = infer(*STREAM, descent, "--out", tmp_path / "out", "--threads", 1)
    assert outcome.code == 0
    of_size, of_pose = outcome.err.splitlines()
    size = f"{SIZE}x{SIZE // 2} px, and those before are {SIZE}x{SIZE}"
    assert of_size == (
        f"lunar-infer: frames/000003.png: frame 3 is {size}; a stream is of one camera"
    )
    assert of_pose.startswith("lunar-infer: frames/000004.png: `pose` must be a rigid transform")
    assert "5 frames (2 not fit), 1 pairs (0 refused); 1 results" in outcome.out


def test_a_lander_is_tried_on_all_pairs_so_far(
    infer: Callable[..., Outcome], descent: Path, tmp_path: Path
) -> None:
    vehicle = {"footprint_diameter_m": 20, "slope_limit_deg": 15, "roughness_limit_m": 3}
    lander = tmp_path / "lander.json"
    lander.write_text(json.dumps(vehicle))
    out = tmp_path / "out"
    outcome = infer(*STREAM, descent, "--out", out, "--threads", 1, "--lander", lander)
    assert outcome.code == 0
    records = [
        msgspec.json.decode(line, type=StreamRecord)
        for line in (out / "stream.jsonl").read_bytes().splitlines()
    ]
    told = [json.loads((out / str(r.folder) / "sites.json").read_bytes()) for r in records]
    assert len(told) > 1
    assert [content["views"] for content in told] == list(range(1, len(told) + 1))
    assert read_raster(out / str(records[-1].folder) / "hazard.tif").shape == (SIZE, SIZE)


def test_frames_at_their_own_times_are_told_as_json(
    infer: Callable[..., Outcome], descent: Path, tmp_path: Path
) -> None:
    told = ("--live", "--json", "--threads", 1, "--health", tmp_path / "health.jsonl")
    outcome = infer(*STREAM, descent, *told, "--out", tmp_path / "out")
    assert outcome.code == 0
    records = [msgspec.json.decode(line, type=StreamRecord) for line in outcome.out.splitlines()]
    last = records[-1].counts
    assert last.pushed <= 4
    assert last.pushed == last.looked_at + last.dropped + last.waiting
    health = [json.loads(line) for line in (tmp_path / "health.jsonl").read_bytes().splitlines()]
    pairs = [record for record in health if record["kind"] == "pair"]
    assert [record["verdict"] for record in pairs] == [record.verdict for record in records]
    assert pairs[-1]["counters"]["pairs"] == len(records)
    assert pairs[-1]["scrub"]["pairs"] > 0


def test_a_video_has_times_and_no_poses(infer: Callable[..., Outcome], tmp_path: Path) -> None:
    video = tmp_path / "v.mkv"
    writer = cv2.VideoWriter(
        str(video), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), 2.0, (SIZE, SIZE), False
    )
    for frame in some_frames():
        writer.write(frame.image)
    writer.release()
    source = open_frames(video)
    assert [round(frame.time_s, 3) for frame in source.frames] == [0.5 * i for i in range(9)]
    unknown = infer(*STREAM, video, "--out", tmp_path / "o")
    assert unknown.code == 3
    assert unknown.err == (
        "lunar-infer: the camera is not known; give --intrinsics, or a --rig with its left camera\n"
    )
    out = tmp_path / "out"
    outcome = infer(*STREAM, video, "--intrinsics", INTRINSICS, "--out", out, "--threads", 1)
    assert outcome.code == 0
    lines = (out / "stream.jsonl").read_bytes().splitlines()
    first = msgspec.json.decode(lines[0], type=StreamRecord)
    assert (first.outlook, first.unit, first.scale_age_s) == ("matches", "relative", None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--live", "a.png", "b.png"), "--live is of --stream; give both"),
        (("--rate-hz", 2, "a.png", "b.png"), "--rate-hz is of --stream; give both"),
        (("--stream", "a", "b"), "RIGHT is not of a sequence of frames; leave it out"),
        (("--stream", "a", "--altitude-m", 5), "--altitude-m is not of a sequence of frames"),
        (("--stream", "a", "--view", "both"), "leave out --view"),
        (("--stream", "a", "--refine", "off"), "leave out --refine off"),
    ],
)
def test_what_is_not_of_a_stream_is_wrong_usage(
    infer: Callable[..., Outcome], arguments: tuple[object, ...], words: str
) -> None:
    outcome = infer(*arguments)
    assert outcome.code == 2
    assert words in outcome.err


def test_what_holds_no_frames_is_named(infer: Callable[..., Outcome], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no images in it, and no descent.json" in infer(*STREAM, empty).err
    (tmp_path / "a.png").write_bytes(b"")
    assert "no sequence of frames" in infer(*STREAM, tmp_path / "a.png").err
    assert "with lunar-bag frames" in infer(*STREAM, tmp_path / "a.mcap").err
    os.mkfifo(tmp_path / "a.mkv")
    assert "a.mkv: is not a regular file; give a video" in infer(*STREAM, tmp_path / "a.mkv").err
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert "no video that OpenCV reads" in infer(*STREAM, tmp_path / "a.mp4").err
    cv2.imwrite(str(empty / "0.png"), np.zeros((64, 64), np.uint8))
    outcome = infer(*STREAM, empty)
    assert outcome.code == 2
    assert "have no times; tell their rate" in outcome.err
