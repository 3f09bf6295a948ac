"""Images as a lens with distortion takes them, from images without."""

from __future__ import annotations

import cv2
import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion, Lens
from numpy.typing import NDArray

Array = NDArray[np.float64]


def straight(lens: Lens, points: Array) -> Array:
    """(…, 2) pixels of the undistorted camera of pixels that the lens takes: a fixed point."""
    k = lens.intrinsics
    bent = (points - [k.cx, k.cy]) / [k.fx, k.fy]
    found = bent.copy()
    for _ in range(60):
        found += bent - np.stack(lens.distortion.bend(found[..., 0], found[..., 1]), axis=-1)
    return np.asarray(found * [k.fx, k.fy] + [k.cx, k.cy])


def inner(camera: Intrinsics, size: int, margin: int) -> tuple[Intrinsics, slice]:
    """The camera of the middle of a square image, and where that is."""
    k = Intrinsics(camera.fx, camera.fy, camera.cx - margin, camera.cy - margin)
    return k, slice(margin, size - margin)


def taken_through(
    image: NDArray[np.uint8], camera: Intrinsics, distortion: Distortion, margin: int
) -> NDArray[np.uint8]:
    """The middle of an image, through a lens: the margin holds what the lens draws in."""
    size = image.shape[0]
    k, _ = inner(camera, size, margin)
    here = np.arange(size - 2 * margin) + 0.5
    at = straight(Lens(k, distortion), np.stack(np.meshgrid(here, here), axis=-1)) + margin - 0.5
    assert at.min() > -1  # within the image: a wedge would be no lens' doing
    assert at.max() < size
    x, y = np.moveaxis(at.astype(np.float32), -1, 0)
    seen = cv2.remap(
        image.astype(np.float32), x, y, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.clip(np.rint(seen), 0, 255), np.uint8)
