"""Do two images show the same ground, whatever sun it lies under?

Features and optical flow need one sun: under another one, bright and dark change places. What stays
is where the ground is rough and where it is smooth. So both images become maps of local contrast
(the logarithm of the gradients' energy), and:

1. every turn and a range of scales are tried, with every shift at once by Fourier transform;
2. the best are fitted, as views of a plane, on maps of twice the resolution and more;
3. the fit is tested on small blocks of those maps: each block has to be more like the one that lies
   on it than like those that lie elsewhere, and to fit best where its neighbours do. What is alike
   everywhere (stripes) shows nothing.

A mirrored image, or one at a quarter of the scale, is found nowhere.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import is_out_of_memory
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import Pair, View

_SEARCH_PX, _FIT_PX = 96, 256  # the longer side of the maps
_TURN_DEG = 10  # 5 finds no more on 24 pairs under two suns
_SCALES = tuple(1.4**i for i in (0, 1, -1, 2, -2))
_LEAST_OVERLAP = 0.2  # of the map; less is alike by chance too often
_COARSER = 8
_STARTS = 3
_DISTINCT_DEG, _DISTINCT_SCALE = 15.0, 0.3
_SEARCH_ITERATIONS, _FIT_ITERATIONS = 30, 15
_BLOCK_PX, _STEP_PX = 24, 20
_REACH_PX = 5  # parallax of relief about the plane
_LEAST_BLOCKS = 8
_USABLE = 0.9  # of a block and its surroundings: single dead pixels must not cost them
_LEAST_TOGETHER = 0.1  # neighbours that move alike by chance: 3 * 3 of 11 * 11 places
_SURE_SIGMAS = 12.0  # a first start this good is the right one
_FLOOR = 0.05  # of the energy, grey levels squared: below it there is nothing but rounding


class CommonGround(NamedTuple):
    """What speaks for the same ground in both images.

    Attributes:
        sigmas: By how many standard errors the blocks are more like those that lie on them than
            like others, and move with their neighbours more often; 0 of less than 8 blocks.
        alike: Mean correlation of the blocks with those that lie on them.
        elsewhere: The same with blocks elsewhere: of ground 0.2 to 0.3, of a pattern near 1.
    """

    sigmas: float
    alike: float
    elsewhere: float


#: Too few blocks to tell.
NOTHING_COMMON = CommonGround(0.0, 0.0, 0.0)


class _Map(NamedTuple):
    """Local contrast on a square canvas, (n, n) mean 0 deviation 1, and (n, n) 1 where it is."""

    values: Field
    mask: Field


_Corner = tuple[int, int]


class _Match(NamedTuple):
    likeness: float
    x: int
    y: int


class _Start(NamedTuple):
    score: float
    turn_deg: float
    scale: float
    right_from_left: NDArray[np.float64]  # (3, 3), pixels of the map, centre of the first at 0


def common_ground(pair: Pair) -> CommonGround:
    """Look for the ground of one image in the other.

    Args:
        pair: Grey levels of any size; cameras do not matter.
    """
    small = _contrast_maps(pair, _SEARCH_PX, _SEARCH_PX // 10)
    large = _contrast_maps(pair, _FIT_PX, _FIT_PX // 21)
    best = NOTHING_COMMON
    for start in _starts(*small):
        fitted = _fitted(*small, start.right_from_left, _SEARCH_ITERATIONS)
        if fitted is None:
            continue
        coarse = _enlarged(fitted)
        fine = _fitted(*large, coarse, _FIT_ITERATIONS)
        found = _tested(*large, coarse if fine is None else fine)
        best = max(best, found, key=lambda one: one.sigmas)
        if best.sigmas > _SURE_SIGMAS:
            break
    return best


def _contrast_maps(pair: Pair, size_px: int, radius_px: int) -> tuple[_Map, _Map]:
    left, right = (_contrast_map(view, size_px, radius_px) for view in (pair.left, pair.right))
    return left, right


def _contrast_map(view: View, size_px: int, radius_px: int) -> _Map:
    """The logarithm of the gradients' energy, with local mean 0 and contrast 1."""
    height, width = view.shape
    shrink = size_px / max(height, width)
    rows, columns = max(8, round(height * shrink)), max(8, round(width * shrink))
    twice = cv2.resize(view.grey, (2 * columns, 2 * rows), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(twice.astype(np.float32), (0, 0), 1.0)
    across, along = (
        cv2.Sobel(smooth, cv2.CV_32F, dx, dy, scale=1 / 8) for dx, dy in ((1, 0), (0, 1))
    )
    energy = cv2.resize(
        np.square(across) + np.square(along), (columns, rows), interpolation=cv2.INTER_AREA
    )
    level = np.log(cv2.GaussianBlur(energy, (0, 0), 0.7) + np.float32(_FLOOR))
    mask = np.ones((rows, columns), np.float32)
    if view.valid is not None:
        seen = view.valid.astype(np.float32)
        mask = np.asarray(
            cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA) > 0.99, np.float32
        )
    total, mean, square = (
        cv2.GaussianBlur(values, (0, 0), radius_px)
        for values in (mask, level * mask, level**2 * mask)
    )
    total = np.maximum(total, np.float32(1e-3))
    mean = mean / total
    deviation = np.sqrt(np.maximum(square / total - mean**2, 0) + np.float32(0.05))
    values = np.clip((level - mean) / deviation, -3, 3) * mask
    below, beside = size_px - rows, size_px - columns
    return _Map(
        *(np.pad(one, ((0, below), (0, beside))).astype(np.float32) for one in (values, mask))
    )


def _starts(left: _Map, right: _Map) -> list[_Start]:
    """The best distinct turns, scales and shifts, by the correlation that chance would not give."""
    size = len(left.values)
    spectrum, coarse_spectrum = _spectrum(right.values), _spectrum(_coarse(right.mask))
    middle = size / 2 - 0.5
    found = []
    for scale in _SCALES:
        for turn_deg in range(0, 360, _TURN_DEG):
            turned = cv2.getRotationMatrix2D((middle, middle), turn_deg, scale)
            moved, mask = (
                np.asarray(cv2.warpAffine(values, turned, (size, size)), np.float32)
                for values in left
            )
            products = _correlated(_spectrum(moved), spectrum)
            coarse = _correlated(_spectrum(_coarse(mask)), coarse_spectrum) * _COARSER**2
            overlap = cv2.resize(coarse, products.shape, interpolation=cv2.INTER_NEAREST)
            usable = overlap > _LEAST_OVERLAP * size * size
            score = np.where(usable, products / np.sqrt(np.maximum(overlap, 1)), 0)
            row, column = np.unravel_index(int(score.argmax()), score.shape)
            shift = [(int(at) + size) % (2 * size) - size for at in (column, row)]
            matrix = np.vstack([turned, [0, 0, 1]])
            matrix[:2, 2] += shift
            found.append(_Start(float(score[row, column]), turn_deg, scale, matrix))
    found.sort(key=lambda one: -one.score)
    kept: list[_Start] = []
    for start in found:
        if all(_distinct(start, other) for other in kept):
            kept.append(start)
        if len(kept) == _STARTS:
            break
    return kept


def _coarse(mask: Field) -> Field:
    """An overlap needs no more."""
    size = len(mask) // _COARSER
    return np.asarray(cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA))


def _spectrum(values: Field) -> Field:
    size = len(values)
    return np.asarray(cv2.dft(cv2.copyMakeBorder(values, 0, size, 0, size, cv2.BORDER_CONSTANT)))


def _correlated(one: Field, other: Field) -> Field:
    """Sums of products at every shift of the first image."""
    flags = cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT
    return np.asarray(cv2.dft(cv2.mulSpectrums(other, one, 0, conjB=True), flags=flags))


def _distinct(one: _Start, other: _Start) -> bool:
    apart = abs((one.turn_deg - other.turn_deg + 180) % 360 - 180)
    return apart > _DISTINCT_DEG or abs(np.log(one.scale / other.scale)) > _DISTINCT_SCALE


def _fitted(
    left: _Map, right: _Map, start: NDArray[np.float64], iterations: int
) -> NDArray[np.float64] | None:
    """The homography about a start at which the maps are most alike; None where there is none."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, iterations, 1e-4)
    try:
        _, fitted = cv2.findTransformECC(
            left.values, right.values, start.astype(np.float32), cv2.MOTION_HOMOGRAPHY, criteria,
            right.mask.astype(np.uint8), 5,
        )  # fmt: skip
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        return None  # it left the image, or the maps are not alike at all
    return np.asarray(fitted, np.float64)


def _enlarged(right_from_left: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same between maps of the fit's size."""
    scale = _FIT_PX / _SEARCH_PX
    offset = (scale - 1) / 2  # the centre of the first pixel is 0
    grow = np.array([[scale, 0, offset], [0, scale, offset], [0, 0, 1]])
    return np.asarray(grow @ right_from_left @ np.linalg.inv(grow))


def _tested(left: _Map, right: _Map, right_from_left: NDArray[np.float64]) -> CommonGround:
    size = (_FIT_PX, _FIT_PX)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values, mask = (
        np.asarray(cv2.warpPerspective(one, right_from_left, size, flags=flags), np.float32)
        for one in right
    )
    corners = _corners((mask > 0.99) & (left.mask > 0.99))
    count = len(corners)
    if count < _LEAST_BLOCKS:
        return NOTHING_COMMON
    on_it = [_best(left.values, values, corner, corner) for corner in corners]
    elsewhere = [
        [
            _best(left.values, values, corner, corners[(i + third * count // 3) % count])
            for i, corner in enumerate(corners)
        ]
        for third in (1, 2)
    ]
    alike = np.array([match.likeness for match in on_it])
    chance = np.array([match.likeness for matches in elsewhere for match in matches])
    error = max(float(chance.std()), 1e-3) / np.sqrt(count)
    together, pairs = _moved_together(corners, on_it)
    by_chance = [_moved_together(corners, matches) for matches in elsewhere]
    share = sum(one[0] for one in by_chance) / max(sum(one[1] for one in by_chance), 1)
    share = min(max(share, _LEAST_TOGETHER), 1 - _LEAST_TOGETHER)
    of_likeness = (alike.mean() - chance.mean()) / error
    of_moving = (together - share * pairs) / np.sqrt(max(pairs, 1) * share * (1 - share))
    return CommonGround(
        float((of_likeness + of_moving) / np.sqrt(2)), float(alike.mean()), float(chance.mean())
    )


def _corners(usable: NDArray[np.bool_]) -> list[_Corner]:
    """Of the blocks whose surroundings are nearly all usable, rows and columns."""
    whole = _BLOCK_PX + 2 * _REACH_PX
    sums = cv2.integral(usable.astype(np.uint8))
    inner = sums[whole:, whole:] - sums[:-whole, whole:] - sums[whole:, :-whole]
    full = (inner + sums[:-whole, :-whole])[::_STEP_PX, ::_STEP_PX] > _USABLE * whole**2
    return [
        (int(row) * _STEP_PX + _REACH_PX, int(column) * _STEP_PX + _REACH_PX)
        for row, column in np.argwhere(full)
    ]


def _best(left: Field, right: Field, here: _Corner, there: _Corner) -> _Match:
    """Where a block of the left map fits best about a corner of the right one."""
    block = left[here[0] : here[0] + _BLOCK_PX, here[1] : here[1] + _BLOCK_PX]
    rows, columns = (slice(at - _REACH_PX, at + _BLOCK_PX + _REACH_PX) for at in there)
    likeness = cv2.matchTemplate(right[rows, columns], block, cv2.TM_CCOEFF_NORMED)
    _, highest, _, (x, y) = cv2.minMaxLoc(likeness)
    return _Match(highest, x, y)


def _moved_together(corners: list[_Corner], matches: list[_Match]) -> tuple[int, int]:
    """How many neighbouring blocks moved alike to a pixel, and how many neighbours there are."""
    by_corner = dict(zip(corners, matches, strict=True))
    together = pairs = 0
    for (row, column), match in by_corner.items():
        for neighbour in ((row + _STEP_PX, column), (row, column + _STEP_PX)):
            other = by_corner.get(neighbour)
            if other is not None:
                pairs += 1
                together += abs(match.x - other.x) <= 1 and abs(match.y - other.y) <= 1
    return together, pairs
