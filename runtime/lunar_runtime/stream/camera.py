"""What is known of a stream's camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.inference.pair import Image


@dataclass(frozen=True)
class StreamCamera:
    """What is known of a stream's camera; see `StereoStream`."""

    intrinsics: Intrinsics
    distortion: Distortion | None = None
    up: NDArray[Any] | None = None
    pose_errors: PoseErrors | None = None
    altitude_sigma: float = 0.0
    mask: Image | None = None

    @property
    def unit_up(self) -> NDArray[np.float64] | None:
        """`up` at unit length."""
        if self.up is None:
            return None
        up = np.asarray(self.up, np.float64)
        length = float(np.linalg.norm(up)) if up.shape == (3,) else math.nan
        if not (math.isfinite(length) and length > 0):
            raise InputError(f"`up` must be three finite numbers, not all zero: {self.up}")
        return up / length
