"""What other poses of the same matches make of the depths."""

from __future__ import annotations

import numpy as np

from lunar_runtime.geometry.epipolar import EpipolarField, RelativePose
from lunar_runtime.geometry.fields import Field, half
from lunar_runtime.geometry.views import Pair

_UNKNOWN = np.float32(1.0)  # a relative error of the depth that says nothing


def pose_errors(pair: Pair, pose: RelativePose, poses: list[RelativePose], surface: Field) -> Field:
    """(N, ⌈H/2⌉, ⌈W/2⌉) relative errors of Z that other poses of the same matches give.

    Errors end at the depth itself: a pose that has the matches meet behind the cameras, or at
    infinity, says nothing of the depth. What the right camera cannot see has none.

    Args:
        pair: (H, W) images and their cameras.
        pose: That the surface was seen through.
        poses: N others.
        surface: (H, W) inverse depth, baseline / Z.
    """
    pair = pair.halved()
    small = half(surface)
    u, v = EpipolarField.of(pair, pose).project(small)
    errors = np.empty((len(poses), *small.shape), np.float32)
    for error, one in zip(errors, poses, strict=True):
        other = EpipolarField.of(pair, one).triangulate(u, v)
        nearest = small / (1 + _UNKNOWN)
        error[:] = np.where(np.isnan(other), 0, small / np.fmax(other, nearest) - 1)
    return errors
