"""Grey frames as a lossless video file, or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from lunar_runtime.errors import OutputError
from numpy.typing import NDArray


class GreyVideo:
    """A Matroska file of FFV1, 8-bit grey, which OpenCV's FFmpeg writes without loss.

    Args:
        path: The file.
        size_px: Side of the square frames.
        rate_hz: Frames a second that the file tells.

    Raises:
        OutputError: This OpenCV has no such encoder.
    """

    def __init__(self, path: Path, size_px: int, rate_hz: float) -> None:
        code = cv2.VideoWriter.fourcc(*"FFV1")
        self._path = path
        self._writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, code, rate_hz, (size_px, size_px), isColor=False
        )
        if not self._writer.isOpened():
            raise OutputError(
                f"{path.name}: this OpenCV has no FFV1 encoder (FFmpeg); leave out `video`"
            )

    def add(self, image: NDArray[np.uint8]) -> None:
        """Append a (H, W) frame."""
        self._writer.write(image)

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: It is not there.
        """
        self._writer.release()
        if not self._path.exists():
            raise OutputError(f"{self._path.name}: the video was not written; is the disk full?")
