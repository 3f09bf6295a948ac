"""Pairs of frames in StereoLunar's layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from lunar_calib.datasets.stereolunar_frames import read_pair
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, cropped
from numpy.typing import NDArray

from lunar_distill.data.batch import Batch, stack
from lunar_distill.data.sun_directions import UNKNOWN_SUNS
from lunar_distill.data.training_pair import Image, TrainingPair


class FramePairs:
    """Pairs of frames in StereoLunar's layout, cropped to a square and resized.

    Args:
        stems: Left and right frame of each, without suffix.
        size_px: Side of the images.
    """

    def __init__(self, stems: Sequence[tuple[Path, Path]], size_px: int) -> None:
        self.stems, self.size_px = list(stems), size_px

    def __len__(self) -> int:
        return len(self.stems)

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        return stack([self._pair(int(number)) for number in numbers], rng)

    def _pair(self, number: int) -> TrainingPair:
        pair = read_pair(*self.stems[number])
        size = self.size_px
        images: list[Image] = []
        depths: list[Image] = []
        for view in (pair.left, pair.right):
            image, mapping = cropped(view.image, size, size)
            images.append(image.astype(np.float32))
            depths.append(square_depth(view.depth_m, mapping))
        camera = mapping.to_grid(Intrinsics.from_matrix(pair.left.intrinsics))
        return TrainingPair(images, depths, pair.right_from_left, camera.fx, UNKNOWN_SUNS)


def square_depth(depth: Image, mapping: GridMapping) -> Image:
    """What `cropped` did to the image, done to its depth."""
    m = mapping
    cut = depth[m.crop_y : m.crop_y + m.crop_height, m.crop_x : m.crop_x + m.crop_width]
    side = (m.grid_width, m.grid_height)
    resized = cv2.resize(np.ascontiguousarray(cut), side, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.float32)
