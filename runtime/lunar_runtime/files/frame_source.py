"""The frames of one camera from a descent's folder, a folder of images, or a video file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.decode_file import decode_file
from lunar_runtime.files.descent_file import NAME, PoseErrors, read_descent
from lunar_runtime.files.pair_lists import list_images
from lunar_runtime.files.regular_file import open_regular

_BAG_SUFFIXES = frozenset({".mcap", ".db3", ".bag"})
VIDEO_SUFFIXES = frozenset({".avi", ".mkv", ".mov", ".mp4", ".m4v", ".webm"})


@dataclass(frozen=True)
class SourceFrame:
    """A frame that can be read.

    Attributes:
        name: For messages.
        time_s: When it was taken.
        read: Gives its values; raises InputError where it cannot be read.
        world_from_camera: (4, 4) nested, metres; None = not known.
        altitude_m: None = not known.
    """

    name: str
    time_s: float
    read: Callable[[], NDArray[Any]]
    world_from_camera: Any = None
    altitude_m: float | None = None


@dataclass(frozen=True)
class FrameSource:
    """Frames and what is known of all of them.

    Attributes:
        frames: Gives them, once.
        intrinsics: fx, fy, cx, cy; None = not known.
        up: Against gravity in the world; None = not known.
        pose_errors: None = the poses are not to be used.
        altitude_error: Standard deviation, as a share.
        count: Of the frames; None = not known.
    """

    frames: Iterator[SourceFrame]
    intrinsics: tuple[float, float, float, float] | None = None
    up: tuple[float, float, float] | None = None
    pose_errors: PoseErrors | None = None
    altitude_error: float = 0.0
    count: int | None = None


def open_frames(path: Path, rate_hz: float | None = None) -> FrameSource:
    """Find the frames; each is read when it is asked for.

    Args:
        path: A folder with `descent.json`, a folder of images in the order of their names, or a
            video file that OpenCV reads.
        rate_hz: Of frames without times of their own; of a video instead of its own.

    Raises:
        InputError: There are no frames, or `descent.json` is not right.
        UsageError: A rate is needed, or has no use.
    """
    if path.is_dir() and (path / NAME).exists():
        return _descent(path, rate_hz)
    if path.suffix.lower() in _BAG_SUFFIXES or (path / "metadata.yaml").exists():
        raise InputError(
            f"{path}: a recording; make a descent's folder of it with lunar-bag frames"
        )
    if path.is_dir():
        return _images(path, rate_hz)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path, rate_hz)
    raise InputError(
        f"{path}: no sequence of frames; give a folder with {NAME}, a folder of images, or a video "
        f"({', '.join(sorted(VIDEO_SUFFIXES))})"
    )


def _descent(folder: Path, rate_hz: float | None) -> FrameSource:
    if rate_hz is not None:
        raise UsageError(f"`rate_hz`: {folder / NAME} has the frames' own times; leave it out")
    descent = read_descent(folder)
    posed = descent.pose_errors is not None
    frames = (
        SourceFrame(
            frame.file,
            frame.time_s,
            partial(_values, folder / frame.file),
            frame.world_from_camera if posed else None,
            frame.altitude_m,
        )
        for frame in descent.frames
    )
    return FrameSource(
        frames,
        descent.camera.intrinsics,
        descent.up,
        descent.pose_errors,
        descent.altitude_error,
        len(descent.frames),
    )


def _images(folder: Path, rate_hz: float | None) -> FrameSource:
    files = list_images(folder)
    if not files:
        raise InputError(f"{folder}: no images in it, and no {NAME}; check the path")
    if rate_hz is None:
        raise UsageError(f"`rate_hz`: the images of {folder} have no times; tell their rate")
    frames = (
        SourceFrame(file.name, number / rate_hz, partial(_values, file))
        for number, file in enumerate(files)
    )
    return FrameSource(frames, count=len(files))


def _values(file: Path) -> NDArray[Any]:
    decoded = decode_file(file)
    if decoded.valid is None:
        return decoded.values
    invalid = ~decoded.valid
    if decoded.values.ndim == 3:
        invalid = np.broadcast_to(invalid[..., None], decoded.values.shape)
    return np.ma.MaskedArray(decoded.values, invalid)


def _video(file: Path, rate_hz: float | None) -> FrameSource:
    with open_regular(file, "a video"):
        pass
    video = cv2.VideoCapture(str(file))
    if not video.isOpened():
        raise InputError(f"{file}: no video that OpenCV reads; convert it, or give its frames")
    own = float(video.get(cv2.CAP_PROP_FPS))
    rate = rate_hz or own
    if not rate > 0:
        raise UsageError(f"`rate_hz`: {file} tells no rate; tell it")
    return FrameSource(_video_frames(video, file.name, rate))


def _video_frames(video: cv2.VideoCapture, name: str, rate_hz: float) -> Iterator[SourceFrame]:
    number = 0
    try:
        while True:
            done, values = video.read()
            if not done:
                return
            yield SourceFrame(f"{name}, frame {number}", number / rate_hz, partial(_same, values))
            number += 1
    finally:
        video.release()


def _same(values: NDArray[Any]) -> NDArray[Any]:
    return values
