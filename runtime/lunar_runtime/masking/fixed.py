"""What is the same in both images although the ground moved: lander parts, captions, dirt.

The evidence, on images of 256 px: the patches at one place correlate without any shift, where there
is structure to correlate; around it they do not, so it is no part of a smooth ground that happens
to stand still there, as at the point that a descending camera flies to; and the ground's motion,
carried on from around it, would have moved it. Where all of a scene stands still nothing is told.

What is the same to the last grey level, over an area that is not of one level, needs no more
evidence: two exposures of ground are never that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.masking.mask import ValidPair
from lunar_runtime.masking.outlines import square

_LONGEST_PX = 256
_WINDOW_PX = 1.7  # sigma of patches and of their normalisation
_NOISE_DN = 2.0
_STRUCTURE_DN = 8.0
_TEXTURE_DN = 3.5  # below it is shadow, where nothing can be followed

# Of 63 clean StereoLunar, rendered and Apollo pairs 48 have a ground that moves everywhere. Chance
# makes no patch there correlate by .9; what does is real (Apollo's reseau marks), and small.
_ALIKE, _SURELY_ALIKE = 0.7, 0.9
# Pixels that are surely alike; of the clean pairs one has 28 in one piece that passes the rest.
_LEAST_PX = 32
# Median around a piece: .2 and less around what is fixed, .36 and more around ground at rest.
_MOST_AROUND = 0.35
_LEAST_MOVED_PX = 2.0
# Correlation through the flow: it follows small motions, and loses large ones.
_FOLLOWED, _MOST_AROUND_LOST = 0.5, 0.15
_GAP_PX, _RING_PX = 4, 12
_LEAST_RING = 25
_FIT_ROUNDS = 8
# Of flow, which looks for patches of 8 px in a quarter of the rows; with fewer OpenCV reads beyond
# them (a process ended).
_LEAST_ROWS = 32
_CLOSED_PX, _GROWN_PX = 2, 2
# Equal windows of this side, a share of the image, and grey levels between two percentiles of the
# area. Of 415 clean pairs ten have such areas, all of them shadows with at most 3 levels.
_EQUAL_PX, _LEAST_EQUAL, _EQUAL_LEVELS = 9, 2e-3, 8


class _Likeness(NamedTuple):
    """Correlation of both images without any shift, and the lesser contrast of the two."""

    correlation: NDArray[np.float32]
    contrast: NDArray[np.float32]


def fixed_areas(
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]], valid: ValidPair = (None, None)
) -> NDArray[np.bool_] | None:
    """Where two images are the same although the ground between them moved.

    Args:
        images: (h, w) uint8, both of one size.
        valid: (h, w) bool of both; what is invalid is not looked at. None = all.

    Returns:
        (h, w) bool; None where nothing is.
    """
    equal, alike = _equal(*images, valid), _alike(images, valid)
    return equal if alike is None else alike if equal is None else equal | alike


def _equal(
    left: NDArray[np.uint8], right: NDArray[np.uint8], valid: ValidPair
) -> NDArray[np.bool_] | None:
    same = (left == right).astype(np.uint8)
    for one in valid:
        if one is not None:
            same &= one
    window = square(_EQUAL_PX // 2)
    same = np.asarray(cv2.morphologyEx(same, cv2.MORPH_OPEN, window), np.uint8)
    if np.count_nonzero(same) < _LEAST_EQUAL * same.size:
        return None
    _, labels, table, _ = cv2.connectedComponentsWithStats(same, connectivity=4)
    found = np.zeros(same.shape, np.uint8)
    for label in 1 + np.flatnonzero(table[1:, 4] >= _LEAST_EQUAL * same.size):
        area = labels == label
        low, high = np.percentile(left[area], (5, 95))
        if high - low >= _EQUAL_LEVELS:
            found |= area
    return cv2.dilate(found, square(_GROWN_PX)) > 0 if found.any() else None


def _alike(
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]], valid: ValidPair
) -> NDArray[np.bool_] | None:
    height, width = images[0].shape
    shrink = min(1.0, _LONGEST_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    left, right = (
        np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for image in images
    )
    like = _likeness(left, right)
    structure = like.contrast > _STRUCTURE_DN
    for one in valid:
        if one is not None:  # both are filled with grey there, which is alike
            known = cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
            structure &= cv2.erode(known, square(_GAP_PX)) > 0
    sure = (like.correlation > _SURELY_ALIKE) & structure
    if np.count_nonzero(sure) < _LEAST_PX:
        return None
    found = _moved_past(left, right, like, structure, sure)
    if not found.any():
        return None
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, square(_CLOSED_PX))
    grown = cv2.dilate(closed, square(_GROWN_PX))
    return cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _moved_past(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    like: _Likeness,
    structure: NDArray[np.bool_],
    sure: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """The pieces that are alike, and around which the ground moves; none in a thin strip."""
    alike = (like.correlation > _ALIKE) & structure
    count, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=8)
    sizes = np.bincount(labels[sure], minlength=count)
    pieces = [label for label in range(1, count) if sizes[label] >= _LEAST_PX]
    if len(left) < _LEAST_ROWS:
        pieces = []
    beside = cv2.dilate(np.isin(labels, pieces).astype(np.uint8), square(_GAP_PX)) > 0
    found = np.zeros(alike.shape, bool)
    flow: NDArray[np.float32] | None = None
    through: NDArray[np.float32] | None = None
    for label in pieces:
        piece = labels == label
        ring = (cv2.dilate(piece.astype(np.uint8), square(_RING_PX)) > 0) & ~beside
        around = like.correlation[ring]
        alike_around = float(np.median(around)) if len(around) >= _LEAST_RING else 1.0
        if alike_around > _MOST_AROUND:
            continue
        if flow is None or through is None:
            dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
            flow = np.asarray(dis.calc(left, right, None))  # type: ignore[call-overload]
            through = _likeness(left, _followed(right, flow)).correlation
        followed = np.median(through[ring]) > _FOLLOWED  # flow follows small motion, not large
        textured = np.mean(like.contrast[ring] > _TEXTURE_DN) > 0.5
        lost = not followed and textured and alike_around < _MOST_AROUND_LOST
        if lost or _carried_px(flow, ring, piece) > _LEAST_MOVED_PX:
            found |= piece
    return found


def _followed(image: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.uint8]:
    height, width = image.shape
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR), np.uint8)


def _carried_px(
    flow: NDArray[np.float32], ring: NDArray[np.bool_], piece: NDArray[np.bool_]
) -> float:
    """Median motion in a piece, of the affine motion that fits the ring around it."""
    A, b = _places(ring), flow[ring].astype(np.float64)
    weight = np.ones(len(A))
    for _ in range(_FIT_ROUNDS):
        fit = np.linalg.lstsq(A * weight[:, None], b * weight[:, None], rcond=None)[0]
        off = np.hypot(*(A @ fit - b).T)
        weight = 1 / (1 + (off / (2 * (np.median(off) + 0.1))) ** 2)
    return float(np.median(np.hypot(*(_places(piece) @ fit).T)))


def _places(area: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.nonzero(area)
    return np.stack([columns, rows, np.ones(len(rows))], axis=-1).astype(np.float64)


def _likeness(left: Any, right: Any) -> _Likeness:
    (a, contrast_a), (b, contrast_b) = (
        _normalised(np.asarray(image, np.float32)) for image in (left, right)
    )
    product, power_a, power_b = (_blurred(values) for values in (a * b, a * a, b * b))
    correlation = product / np.sqrt(np.maximum(power_a * power_b, np.float32(1e-9)))
    return _Likeness(correlation, np.minimum(contrast_a, contrast_b))


def _normalised(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean = _blurred(image)
    variance = np.maximum(_blurred(image * image) - mean * mean, np.float32(0))
    contrast = np.sqrt(variance + np.float32(_NOISE_DN**2))
    return (image - mean) / contrast, contrast


def _blurred(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _WINDOW_PX), np.float32)
