"""Sparse matches between the two images: features of the pixels, or the network's descriptors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once, begun
from lunar_runtime.geometry.products import tiled
from lunar_runtime.masking.mask import ValidPair

_FEATURES = 2500
_HALVED_FEATURES = 600  # the strongest of some 900: describing them is half of the time
_CONTRAST = 0.015  # SIFT's default 0.04 leaves a few dozen features on smooth maria
_CLAHE_CLIP = 4.0
_CLAHE_TILES = (8, 8)
_RATIO = 0.85
_SMALL_PX = 1 << 17  # of an image: pyramids take 60 MB for 512 x 512 px, 15 MB for a quarter of it
_DESCRIPTOR_STEP = 8  # network pixels between compared descriptors: 4096 at 512, 64 MB
# A limb or a wedge's edge is no place on the ground. Single pixels have no edge to speak of.
_EDGE_PX, _SINGLE_PX = 6, 2


class Matches(NamedTuple):
    """Matched pixels; centre of the top-left pixel at (0.5, 0.5).

    Attributes:
        left: (N, 2) float64.
        right: (N, 2) float64.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]

    def __add__(self, other: object) -> Matches:
        """Both sets."""
        assert isinstance(other, Matches)
        return Matches(np.r_[self.left, other.left], np.r_[self.right, other.right])


def match_features(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    valid: ValidPair = (None, None),
    *,
    halved: bool = False,
) -> Matches:
    """RootSIFT on contrast-equalised images, mutual nearest neighbours, Lowe's ratio test.

    `enable_precise_upscale` matters: without it every keypoint is off by a quarter of a pixel, in
    the direction of the image's axes, which between rolled views does not cancel (0.4 px of
    epipolar error at 120° on StereoLunar, 0.15 px with it).

    Args:
        left: (H, W) grey.
        right: (H, W) grey.
        valid: (H, W) bool of both; no feature is taken at or beside invalid pixels. None = all.
        halved: Look at images of half the resolution: a third of the matches in a quarter of the
            time. The pose found from them is 0.1° off instead of 0.02° (medians of 36 pairs of
            512 px).
    """
    sides = [(left, valid[0], halved), (right, valid[1], halved)]
    if _is_large(left, halved=halved):
        found = [_features(*side) for side in sides]
    else:
        found = at_once(lambda side: _features(*side), sides)
    (points_left, left_d), (points_right, right_d) = found
    one, other = _mutual(tiled(left_d, right_d), _RATIO)
    return Matches(points_left[one], points_right[other])


class Features:
    """The feature matches of a pair, looked for once: cameras and poses do not change them."""

    def __init__(
        self,
        left: NDArray[np.uint8],
        right: NDArray[np.uint8],
        valid: ValidPair = (None, None),
    ) -> None:
        """Of (H, W) grey levels, and (H, W) bool of where they are valid; None = everywhere."""
        self._images = left, right, valid
        self._found: dict[bool, Matches] = {}
        self._coming: dict[bool, Callable[[], Matches]] = {}

    def begin(self, *, halved: bool) -> None:
        """Look for them in a thread, if there is one more, until somebody asks for them.

        Those of a large image are looked for when they are asked for: they need memory.
        """
        if not _is_large(self._images[0], halved=halved):
            self._coming[halved] = begun(lambda: match_features(*self._images, halved=halved))

    def wait(self) -> None:
        """Wait for those that were begun, with their memory."""
        for halved in list(self._coming):
            self.matches(halved=halved)

    def matches(self, *, halved: bool = False) -> Matches:
        """See `match_features`."""
        if halved in self._coming:
            self._found[halved] = self._coming.pop(halved)()
        if halved not in self._found:
            self._found[halved] = match_features(*self._images, halved=halved)
        return self._found[halved]


def match_descriptors(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    valid: ValidPair = (None, None),
) -> Matches:
    """Mutual nearest neighbours among the network's descriptors.

    Args:
        left: (h, w, D), unit length, on the network's grid.
        right: (h', w', D).
        shapes: (H, W) of both images, in whose pixels the matches are.
        valid: (H, W) bool of both images; matches of invalid pixels are left out. None = all.
    """
    start, step = _DESCRIPTOR_STEP // 2, _DESCRIPTOR_STEP
    pixels, flat = [], []
    for image, shape in zip((left, right), shapes, strict=True):
        rows, columns = np.mgrid[start : image.shape[0] : step, start : image.shape[1] : step]
        enlarged = shape[1] / image.shape[1], shape[0] / image.shape[0]
        pixels.append((np.stack([columns.ravel(), rows.ravel()], axis=-1) + 0.5) * enlarged)
        grid = image[start::step, start::step]
        flat.append(np.nan_to_num(grid.reshape(-1, grid.shape[-1])))
    one, other = _mutual(tiled(flat[0], flat[1]), 1.0)
    keep = _usable(pixels[0][one], valid[0]) & _usable(pixels[1][other], valid[1])
    return Matches(pixels[0][one[keep]], pixels[1][other[keep]])


def _is_large(image: NDArray[np.uint8], *, halved: bool) -> bool:
    """Whether its features take so much memory that nothing is done beside them."""
    return image.size >> (2 if halved else 0) > _SMALL_PX


def _usable(pixels: NDArray[np.float64], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    if valid is None:
        return np.ones(len(pixels), bool)
    column, row = pixels.astype(np.intp).T
    return np.asarray(
        valid[row.clip(0, valid.shape[0] - 1), column.clip(0, valid.shape[1] - 1)], np.bool_
    )


def _features(
    image: NDArray[np.uint8], valid: NDArray[np.bool_] | None, halved: bool
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Keypoints and their RootSIFT descriptors (Arandjelovic and Zisserman 2012)."""
    height, width = image.shape
    small: cv2.typing.MatLike = image
    if halved:
        small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    clahe = cv2.createCLAHE(_CLAHE_CLIP, _CLAHE_TILES)
    count = _HALVED_FEATURES if halved else _FEATURES
    sift = cv2.SIFT.create(count, contrastThreshold=_CONTRAST, enable_precise_upscale=True)
    keypoints, descriptors = sift.detectAndCompute(clahe.apply(small), _detectable(valid, small))
    points = np.array([point.pt for point in keypoints], np.float64).reshape(-1, 2) + 0.5
    points *= width / small.shape[1], height / small.shape[0]
    if descriptors is None:
        return points, np.zeros((0, 128), np.float32)
    total = np.maximum(descriptors.sum(axis=-1, keepdims=True), 1e-9)
    return points, np.sqrt(descriptors / total)


def _detectable(valid: NDArray[np.bool_] | None, image: cv2.typing.MatLike) -> Any:
    """OpenCV's mask of where features may be: not on the edge of what is invalid either."""
    if valid is None:
        return None
    invalid = (~valid).astype(np.uint8)
    single, edge = (np.ones((2 * px + 1, 2 * px + 1), np.uint8) for px in (_SINGLE_PX, _EDGE_PX))
    areas = cv2.morphologyEx(invalid, cv2.MORPH_OPEN, single)
    near = np.maximum(cv2.dilate(areas, edge), cv2.dilate(invalid, single))
    size = image.shape[1], image.shape[0]
    return cv2.resize((1 - near) * np.uint8(255), size, interpolation=cv2.INTER_NEAREST)


def _mutual(
    similarity: NDArray[np.float32], ratio: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs that are each other's best, better than the second best by a ratio of distances."""
    if min(similarity.shape) < 2:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    one = np.arange(len(similarity))
    other = similarity.argmax(axis=1)
    best = similarity[one, other].copy()
    mutual = best == similarity.max(axis=0)[other]
    if ratio < 1:
        similarity[one, other] = -1
        second = similarity.max(axis=1)
        mutual &= _distance(best) < ratio * _distance(second)
    return one[mutual], other[mutual]


def _distance(cosine: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sqrt(np.maximum(2 - 2 * cosine, 0))
