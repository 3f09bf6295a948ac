"""Do the two views of a pair agree? Left depth carried into the right camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.raycast import cast
from lunar_calib.render.terrain import Terrain
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs import pinhole


@dataclass(frozen=True)
class Consistency:
    """How well left depth predicts the right view.

    Attributes:
        exact_dz_m: Median |dz| against rays cast from the right camera at the projected positions.
        sampled_dz_m: Median |dz| against the right depth image sampled bicubically.
        photo_correlation: Correlation of left pixels with the right image sampled there.
        visible: Fraction of left pixels that the right camera sees.
        exact_p99_m: 99th percentile of the exact |dz| among the visible.
    """

    exact_dz_m: float
    sampled_dz_m: float
    photo_correlation: float
    visible: float
    exact_p99_m: float


def measure_consistency(pair: RenderedPair, terrain: Terrain) -> Consistency:
    """Carry left depth into the right camera and compare depth and brightness.

    A point counts as seen when the right camera's first hit in its direction is no more than
    half a percent nearer than the point; the pose is float64, so nothing else is lost.
    """
    left, right = pair.left, pair.right
    points = pinhole.transform(
        pair.right_from_left, pinhole.unproject(left.depth_m, left.intrinsics)
    )
    uv = pinhole.project(points, right.intrinsics)
    size = pair.spec.size_px
    inside = np.all((uv > 1) & (uv < size - 1), axis=-1)
    uv_in, z = uv[inside], points[inside][:, 2]
    k = right.intrinsics
    ray = np.stack(
        [
            (uv_in[:, 0] - k[0, 2]) / k[0, 0],
            (uv_in[:, 1] - k[1, 2]) / k[1, 1],
            np.ones(len(uv_in)),
        ],
        axis=-1,
    )
    world = ray @ right.cam2world[:3, :3].T
    hit = cast(terrain, pair.spec.site_m, right.cam2world[:3, 3], [world[:, i] for i in range(3)])
    seen = np.isfinite(hit) & (np.abs(hit - z) < 0.005 * z)
    at = uv_in[seen].astype(np.float32) - np.float32(0.5)
    depth = _sample(right.depth_m, at)
    photo = _sample(right.image.astype(np.float32), at)
    ours = left.image[inside][seen].astype(np.float32)
    dz = np.abs(hit - z)[seen]
    return Consistency(
        exact_dz_m=float(np.median(dz)),
        sampled_dz_m=float(np.nanmedian(np.abs(depth - z[seen]))),
        photo_correlation=float(np.corrcoef(ours, photo)[0, 1]),
        visible=float(seen.sum() / left.depth_m.size),
        exact_p99_m=float(np.percentile(dz, 99)),
    )


def _sample(image: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bicubic samples at (N, 2) positions counted from the first pixel's centre."""
    # OpenCV refuses maps wider than 32 767.
    rows = -(-len(at) // 1024)
    padded = np.zeros((rows * 1024, 2), np.float32)
    padded[: len(at)] = at
    grid = padded.reshape(rows, 1024, 2)
    sampled = cv2.remap(image, grid[..., 0], grid[..., 1], cv2.INTER_CUBIC)
    return np.asarray(sampled, dtype=np.float32).reshape(-1)[: len(at)]
