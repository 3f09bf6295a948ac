"""Point clouds on disk, as binary PLY: what CloudCompare, MeshLab and Open3D open."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError

FRAME_COMMENT = "frame: left camera, x right, y down, z forward"


def encode_ply(
    pointmap: NDArray[Any],
    grey: NDArray[np.uint8] | None = None,
    valid: NDArray[np.bool_] | None = None,
    comment: str = f"unit: relative\n{FRAME_COMMENT}",
) -> bytes:
    """The finite points of a pointmap, row by row, as a binary little-endian PLY.

    Args:
        pointmap: (H, W, 3) or (N, 3) points; stored as float32 `x`, `y`, `z`.
        grey: (H, W) or (N,) uint8 brightness, stored as equal `red`, `green`, `blue`.
        valid: (H, W) or (N,) bool; points where it is False are left out, as are points that are
            not finite.
        comment: What the header tells the reader: unit and frame. One comment a line, ASCII.

    Raises:
        InputError: The shapes do not match, `grey` is not uint8, or `comment` is not ASCII.
    """
    pointmap = np.asarray(pointmap)
    if pointmap.ndim not in (2, 3) or pointmap.shape[-1] != 3:
        raise InputError(f"pointmap must be (H, W, 3) or (N, 3), not {pointmap.shape}")
    shape = pointmap.shape[:-1]
    if not comment.isascii():
        raise InputError(f"a PLY header is ASCII; reword the comment {comment!r}")
    x, y, z = (np.asarray(pointmap[..., axis], np.float32) for axis in range(3))
    keep = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    if valid is not None:
        keep &= _of_shape("valid", np.asarray(valid, dtype=bool), shape)
    chosen: Any = ... if keep.all() else keep  # a choice of all is a copy of all

    fields = [(axis, "<f4") for axis in "xyz"]
    properties = [f"property float {axis}" for axis in "xyz"]
    if grey is not None:
        if np.asarray(grey).dtype != np.uint8:
            raise InputError(f"grey must be uint8, not {np.asarray(grey).dtype}")
        fields += [(channel, "u1") for channel in ("red", "green", "blue")]
        properties += [f"property uchar {channel}" for channel in ("red", "green", "blue")]

    vertices = np.empty(np.count_nonzero(keep), dtype=fields)
    for name, values in zip("xyz", (x, y, z), strict=True):
        vertices[name] = values[chosen].ravel()
    if grey is not None:
        brightness = _of_shape("grey", np.asarray(grey), shape)[chosen].ravel()
        for channel in ("red", "green", "blue"):
            vertices[channel] = brightness

    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {line}" for line in comment.splitlines()),
        f"element vertex {len(vertices)}",
        *properties,
        "end_header",
    ]
    return b"".join([("\n".join(header) + "\n").encode("ascii"), vertices.data])


def _of_shape(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if values.shape != shape:
        raise InputError(f"{name} must have the pointmap's shape {shape}, not {values.shape}")
    return values
