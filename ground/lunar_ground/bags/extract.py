"""From a recording to what `lunar-infer` takes: a descent, or a list of pairs."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.descent_file import (
    NAME,
    Descent,
    DescentCamera,
    DescentFrame,
    PoseErrors,
    write_descent,
)
from numpy.typing import NDArray

from lunar_ground.bags.bag import Bag
from lunar_ground.bags.cameras import Camera
from lunar_ground.bags.frames import Frames, Named
from lunar_ground.bags.matched import Matched

_DESCENT = (NAME, "frames")
_PAIRS = ("left", "right", "rig.json", "pairs.csv", "times.csv")


@dataclass
class Extracted:
    """What was written.

    Attributes:
        written: Frames or pairs.
        seconds: From the first to the last.
        posed: Frames with a pose.
        with_altitude: Frames with an altitude.
        alone: Images of one camera without one of the other.
        notes: What else there is to know.
    """

    written: int = 0
    seconds: float = 0.0
    posed: int = 0
    with_altitude: int = 0
    alone: int = 0
    notes: list[str] = field(default_factory=list)


def extract_descent(
    bag: Bag,
    named: Named,
    out: Path,
    *,
    every: int = 1,
    pose_errors: tuple[float, float] | None = None,
    altitude_error: float = 0.0,
    overwrite: bool = False,
) -> Extracted:
    """Write the frames of one camera as a descent's folder.

    Args:
        bag: The recording.
        named: Its topics.
        out: The folder to make.
        every: Take every so-manieth frame.
        pose_errors: Standard deviations between two frames: of the turn in degrees, of the way as
            a share; None = not known, and the poses are then not used.
        altitude_error: Standard deviation of altitudes, as a share.
        overwrite: Replace the descent that is there.

    Raises:
        InputError: The recording cannot be used so; in one line, why.
        UsageError: A topic is not there.
        OutputError: The folder cannot be written.
    """
    check_folder(out, overwrite=overwrite, owned=_DESCENT)
    frames = Frames(bag, named)
    camera = _pinhole(frames, named.image)
    told: list[DescentFrame] = []
    done = Extracted()
    with atomic_folder(out, overwrite=overwrite, owned=_DESCENT) as folder:
        (folder / "frames").mkdir()
        first = 0.0
        for number, frame in enumerate(frames):
            if number % every:
                continue
            first = first if told else frame.time_s
            name = f"frames/{done.written:06d}.png"
            (folder / name).write_bytes(_png(frame.image, named.image))
            pose = frame.world_from_camera
            told.append(
                DescentFrame(
                    name,
                    frame.time_s,
                    None if pose is None else tuple(map(tuple, pose.tolist())),  # type: ignore[arg-type]
                    frame.altitude_m,
                )
            )
            done.written += 1
            done.posed += pose is not None
            done.with_altitude += frame.altitude_m is not None
            done.seconds = frame.time_s - first
        if not told:
            raise InputError(f"{bag.path}: no images under {named.image}")
        K = camera.intrinsics
        size = DescentCamera(camera.width, camera.height, (K.fx, K.fy, K.cx, K.cy))
        errors = None if pose_errors is None else PoseErrors(*pose_errors)
        descent = Descent(1, size, told, None, errors, altitude_error)
        write_descent(descent, folder)
    if done.posed and errors is None:
        done.notes.append("the poses are not used until `pose_errors` says how wrong they are")
    _note(done, bag, frames)
    return done


def extract_pairs(
    bag: Bag,
    left_named: Named,
    right_named: Named,
    out: Path,
    *,
    within_s: float = 1e-3,
    every: int = 1,
    overwrite: bool = False,
) -> Extracted:
    """Write the images of two cameras as pairs with their rig and a list of them.

    Args:
        bag: The recording.
        left_named: Topics of the left camera.
        right_named: Of the right one.
        out: The folder to make.
        within_s: Images of a pair are at most so far apart in time.
        every: Take every so-manieth pair.
        overwrite: Replace the pairs that are there.

    Raises:
        InputError: The recording cannot be used so; in one line, why.
        UsageError: A topic is not there.
        OutputError: The folder cannot be written.
    """
    check_folder(out, overwrite=overwrite, owned=_PAIRS)
    left = Frames(bag, left_named, side="left")
    right = Frames(bag.again(), right_named, side="right")
    rig = _rig(left, right)
    done, times = Extracted(), []
    matched = Matched(within_s)
    with atomic_folder(out, overwrite=overwrite, owned=_PAIRS) as folder:
        for side in ("left", "right"):
            (folder / side).mkdir()
        for number, (one, other) in enumerate(matched.pairs(iter(left), iter(right))):
            if number % every:
                continue
            name = f"{done.written:06d}.png"
            (folder / "left" / name).write_bytes(_png(one.image, left_named.image))
            (folder / "right" / name).write_bytes(_png(other.image, right_named.image))
            times.append((f"{done.written:06d}", one.time_s))
            done.written += 1
            done.seconds = one.time_s - times[0][1]
        if not done.written:
            near = matched.nearest_s
            told = "" if near == float("inf") else f"; the nearest are {near * 1e3:.3g} ms apart"
            raise InputError(
                f"{bag.path}: no image of {right_named.image} within {within_s * 1e3:g} ms of one "
                f"of {left_named.image}{told}; see `within_ms`"
            )
        if rig:
            (folder / "rig.json").write_text(json.dumps(rig, indent=2) + "\n", encoding="utf-8")
        _tables(folder, times, with_rig=bool(rig))
    done.alone = matched.alone
    if "right_from_left" not in rig:
        done.notes.append("the recording does not say where the cameras are to each other")
    _note(done, bag, left)
    return done


def _pinhole(frames: Frames, image: str) -> Camera:
    camera = frames.camera
    if camera is None:
        raise InputError(f"{image}: the recording has no camera_info for it; name it with `info`")
    if camera.distortion is not None:
        raise InputError(
            f"{image}: the camera {camera.frame!r} has a lens ({camera.distortion.model}), and a "
            "descent's is a pinhole; take its rectified images with `rectified`"
        )
    return camera


def _rig(left: Frames, right: Frames) -> dict[str, Any]:
    rig: dict[str, Any] = {}
    for side, camera in (("left", left.camera), ("right", right.camera)):
        if camera is not None:
            K = camera.intrinsics
            rig[side] = {"intrinsics": [K.fx, K.fy, K.cx, K.cy]}
            if camera.distortion is not None:
                rig[side]["distortion"] = camera.distortion.words()
    if left.camera is None or right.camera is None:
        return rig
    if left.camera.baseline_m or right.camera.baseline_m:
        if left.camera.baseline_m:
            raise UsageError("`left` is the right camera of a rectified pair; exchange them")
        pose = np.eye(4)
        pose[0, 3] = -right.camera.baseline_m
        rig["right_from_left"] = pose.tolist()
        return rig
    bolted = left.bolted.between(right.camera.frame, left.camera.frame)
    if bolted is not None and np.linalg.norm(bolted[:3, 3]) > 0:
        rig["right_from_left"] = bolted.tolist()
    return rig


def _tables(folder: Path, times: list[tuple[str, float]], *, with_rig: bool) -> None:
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["left", "right", *(["rig"] if with_rig else []), "out"])
        for name, _ in times:
            rig = ["rig.json"] if with_rig else []
            table.writerow([f"left/{name}.png", f"right/{name}.png", *rig, name])
    with (folder / "times.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["out", "time_s"])
        table.writerows((name, f"{time_s:.9f}") for name, time_s in times)


def _png(image: NDArray[Any], topic: str) -> bytes:
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{topic}: its images are of {image.dtype}, which are no camera's")
    done, data = cv2.imencode(".png", image)
    if not done:
        raise InputError(f"{topic}: an image of {image.shape} cannot be written as PNG")
    return bytes(data)


def _note(done: Extracted, bag: Bag, frames: Frames) -> None:
    damage = bag.damage
    done.notes += [f"recovered; {lost}" for lost in damage.lost]
    if damage.unchecked:
        done.notes.append(
            f"no checksums in {', '.join(sorted(damage.unchecked))}: damage would not show"
        )
    if frames.without_stamp:
        done.notes.append(
            f"{frames.without_stamp} images without a time of their own: that of recording is taken"
        )
