"""OpenCV's decoders, and what they say while they decode."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import is_out_of_memory

# What libjpeg, libpng and libtiff say of lost pixels, and nobody else: in a process of many threads
# some other line may be caught as well. Their warnings (a GeoTIFF's tags, a wrong colour profile)
# are not meant.
_COMPLAINT = re.compile(
    r"^(Corrupt JPEG|Premature end of JPEG|libpng error|\[ERROR:.* grfmt_"
    r"|OpenCV TIFF: .*(error|corrupt))",
    re.IGNORECASE,
)

# OpenCV's own: "[ERROR:0@0.226] global grfmt_tiff.cpp:117 TIFF_Error ".
_LOG_PREFIX = re.compile(r"^\[\w+:\S+\] global \S+ (?:\w+_Error )?")

_DEBUG = 5  # OpenCV's LOG_LEVEL_DEBUG, whose Python name moved
_opencv_logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5, OpenCV 4

_log = logging.getLogger(__name__)
_stderr_lock = threading.Lock()


class OpenCvDecoder:
    """Decodes encoded images, and keeps the first complaint of the libraries below.

    Attributes:
        complaint: Empty where there was none.
    """

    def __init__(self) -> None:
        self.complaint = ""

    def __call__(self, data: bytes) -> NDArray[Any] | None:
        """Decoded values as they are, not turned; None if OpenCV gives none."""
        flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        values = None
        with _captured_stderr() as said:
            try:
                values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            except cv2.error as error:
                if is_out_of_memory(error):
                    raise
                self.complaint = self.complaint or " ".join(str(error).split())
        lines = [line.strip() for line in said if line.strip()]
        for line in lines:
            _log.debug("decoder: %s", line)
        complaints = [line for line in lines if _COMPLAINT.search(line)]
        if complaints:
            self.complaint = self.complaint or _LOG_PREFIX.sub("", complaints[0])
        return values


@contextlib.contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """Divert file descriptor 2, where libjpeg and libpng write past every logging setting.

    OpenCV 4.8 tells of a damaged TIFF at its level DEBUG and returns the rest as zeros.
    """
    said: list[str] = []
    with _stderr_lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # no stderr at all: nothing to keep quiet
            yield said
            return
        stack.callback(os.close, saved)
        try:
            spool: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # nowhere to write
            spool = stack.enter_context(Path(os.devnull).open("w+b"))
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(spool.fileno(), 2)
        log_level = _opencv_logging.getLogLevel()
        _opencv_logging.setLogLevel(_DEBUG)
        try:
            yield said
        finally:
            _opencv_logging.setLogLevel(log_level)
            os.dup2(saved, 2)
            spool.seek(0)
            said += spool.read().decode("utf-8", "replace").splitlines()
