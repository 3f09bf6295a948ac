"""Results of `lunar-infer`, and descents, as bags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lunar_runtime.errors import UsageError
from lunar_runtime.files.decode_file import decode_file
from lunar_runtime.files.descent_file import Descent, read_descent
from lunar_runtime.geometry.cameras import Intrinsics

from lunar_ground.bags import messages as ros
from lunar_ground.bags.messages import Stamp
from lunar_ground.bags.shown import CAMERA, Shown, messages_of
from lunar_ground.bags.writer import BagWriter, written_bag
from lunar_ground.folders.result_folder import ResultFolder, read_result_folder

#: The frame of a descent's poses.
WORLD = "lunar_world"


def write_results(results: Sequence[Path], out: Path, *, overwrite: bool = False) -> BagWriter:
    """Write results as a bag, in the order of their times.

    The topics are those of `messages_of`; the time is that of the result's making.

    Args:
        results: Folders that `lunar-infer` wrote.
        out: The bag's folder.
        overwrite: Replace the bag that is there.

    Raises:
        InputError: One cannot be read.
        UsageError: One is relative, or lacks the left view.
        OutputError: The bag cannot be written.
    """
    folders = [_checked(read_result_folder(path)) for path in results]
    folders.sort(key=lambda folder: folder.report.created)
    with written_bag(out, overwrite=overwrite) as bag:
        for folder in folders:
            _write_result(bag, folder)
    return bag


def _checked(folder: ResultFolder) -> ResultFolder:
    if "left" not in folder.sides:
        raise UsageError(f"{folder.path}: only the right view is in it; use another --view")
    if folder.report.scale.unit != "m":
        raise UsageError(
            f"{folder.path}: ROS' lengths are metres, and this depth is relative; run lunar-infer "
            "with a rig that holds the pose, --baseline-m or --altitude-m"
        )
    return folder


def _write_result(bag: BagWriter, folder: ResultFolder) -> None:
    report, left = folder.report, folder.sides["left"]
    maps = left.maps
    hazard = None
    if {"hazard", "safe_probability"} <= set(maps):
        hazard = maps["hazard"], maps["safe_probability"]
    shown = Shown(
        left.points,
        left.depth,
        Intrinsics(*report.camera_left.grid_px),
        np.asarray(report.up.vector, np.float64),
        report.verdict,
        tuple(report.verdict_reasons),
        {name: maps[name] for name in ("slope", "depth_sigma") if name in maps},
        hazard,
        _facts(folder),
    )
    time_ns = int(report.created.timestamp() * 1e6) * 1000
    for topic, kind, fields in messages_of(shown, time_ns):
        bag.write(topic, kind, fields, time_ns)


def _facts(folder: ResultFolder) -> dict[str, object]:
    report = folder.report
    view = report.views[0]
    return {
        "result": folder.path.name,
        "condition": report.condition,
        "scale": report.scale.words,
        "depth median (m)": f"{view.depth['p50']:.6g}" if view.depth else "",
        "valid": f"{view.valid_fraction:.4f}",
        "refined": "no" if report.refinement is None else report.refinement.status,
        "time (ms)": f"{sum(report.timings_ms.values()):.0f}",
        "network": "none" if report.model is None else report.model.digest,
        **{f"note {i}": note for i, note in enumerate(report.warnings, start=1)},
    }


def write_descent_bag(folder: Path, out: Path, *, overwrite: bool = False) -> BagWriter:
    """Write a descent as a bag: what its vehicle saw and knew, without the truth.

    Topics: `/camera/image_raw`, `/camera/camera_info`, `/camera/pose` (in `lunar_world`) and
    `/camera/altitude`.

    Args:
        folder: With a `descent.json`.
        out: The bag's folder.
        overwrite: Replace the bag that is there.

    Raises:
        InputError: The descent or an image of it cannot be read.
        OutputError: The bag cannot be written.
    """
    descent = read_descent(folder)
    with written_bag(out, overwrite=overwrite) as bag:
        _write_descent(bag, descent, folder)
    return bag


def _write_descent(bag: BagWriter, descent: Descent, folder: Path) -> None:
    camera = descent.camera
    size = camera.width, camera.height
    for frame in descent.frames:
        time_ns = round(frame.time_s * 1e9)
        seen, world = Stamp(time_ns, CAMERA), Stamp(time_ns, WORLD)
        values = decode_file(folder / frame.file).values
        info = ros.camera_fields(Intrinsics(*camera.intrinsics), size, seen)
        bag.write("/camera/camera_info", ros.CAMERA, info, time_ns)
        bag.write("/camera/image_raw", ros.IMAGE, ros.image_fields(values, seen), time_ns)
        if frame.world_from_camera is not None:
            pose = ros.pose_fields(np.array(frame.world_from_camera), world)
            bag.write("/camera/pose", ros.POSE, pose, time_ns)
        if frame.altitude_m is not None:
            told = ros.range_fields(frame.altitude_m, seen)
            bag.write("/camera/altitude", ros.RANGE, told, time_ns)
