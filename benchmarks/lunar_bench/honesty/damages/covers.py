"""What covers the ground: sky, wedges, captions, the lander, pixels that are no measurements."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation, camera_height_m

_Mask = NDArray[np.bool_]


def sky(situation: Situation, draw: Draw) -> Situation:
    """Black sky over the upper part of both images, along a tilted horizon."""
    share, tilt, noise = draw.uniform(0.1, 0.45), draw.uniform(-0.2, 0.2), draw.uniform(0, 2)
    height, width = situation.left.shape
    areas = []
    for image in (situation.left, situation.right):
        offset = share * height + draw.uniform(-10, 10)
        rows, columns = np.mgrid[:height, :width]
        area = rows < offset + tilt * (columns - width / 2)
        areas.append((image, area))
    left, right = (
        np.where(area, np.abs(draw.rng.normal(0, noise, image.shape)), image).astype(np.uint8)
        for image, area in areas
    )
    found = _covered(situation, left, right, areas[0][1])
    return found.noting(share=share, tilt=tilt, noise_dn=noise)


def wedges(situation: Situation, draw: Draw) -> Situation:
    """Corners without data, as a rectification leaves them; other in each image."""
    fill = draw.one_of(0, 255, "NaN", "mask")
    areas = [_wedge(situation.left.shape, draw) for _ in "LR"]
    left, right = (
        _filled(image, area, fill)
        for image, area in zip((situation.left, situation.right), areas, strict=True)
    )
    found = _covered(situation, left, right, areas[0])
    return found.noting(fill=str(fill), share_left=float(areas[0].mean()))


def fixed_parts(situation: Situation, draw: Draw) -> Situation:
    """The same caption, frame, or part of the lander in both images."""
    what = draw.one_of("caption", "lander", "frame")
    shape = situation.left.shape
    picture, area = _fixed(what, shape, draw)
    left, right = (
        np.where(area, picture, image).astype(np.uint8)
        for image in (situation.left, situation.right)
    )
    return _covered(situation, left, right, area).noting(what=what, share=float(area.mean()))


def transparent(situation: Situation, draw: Draw) -> Situation:
    """Colour with alpha 0 over blobs, below which anything may stand."""
    areas = [_blobs(situation.left.shape, draw) for _ in "LR"]
    value = draw.one_of(0, 255, 128)
    left, right = (
        np.dstack([*[np.where(area, value, image)] * 3, np.where(area, 0, 255)]).astype(np.uint8)
        for image, area in zip((situation.left, situation.right), areas, strict=True)
    )
    found = _covered(situation, left, right, areas[0])
    return found.noting(below=value, share_left=float(areas[0].mean()))


def special_pixels(situation: Situation, draw: Draw) -> Situation:
    """Constants for "no data" in 16 bits or floating point, without a tag."""
    dtype, value = draw.one_of(
        (np.int16, -32768), (np.uint16, 65535), (np.uint16, 0), (np.float32, -9999.0),
        (np.float32, -3.4028227e38), (np.float32, np.nan),
    )  # fmt: skip
    scattered = draw.chance(0.5)
    images, areas = [], []
    for image in (situation.left, situation.right):
        area = (
            draw.rng.uniform(size=image.shape) < draw.log_uniform(0.001, 0.03)
            if scattered
            else _wedge(image.shape, draw)
        )
        values = (image.astype(np.float32) * 8 + 100).astype(dtype)
        values[area] = value
        images.append(values)
        areas.append(area)
    found = _covered(situation, images[0], images[1], areas[0])
    return found.noting(
        value=str(value), type=np.dtype(dtype).name,
        where="scattered" if scattered else "wedge", share_left=float(areas[0].mean()),
    )  # fmt: skip


def _covered(
    situation: Situation, left: NDArray[Any], right: NDArray[Any], area: _Mask
) -> Situation:
    assert situation.ground is not None
    ground = situation.ground.covered(area)
    covered = situation.having(left=left, right=right, ground=ground)
    # What is told of the scene's plane is told of the ground that can be seen.
    assert situation.told.left is not None
    return covered.telling(altitude_m=camera_height_m(ground.depth, situation.told.left))


def _wedge(shape: tuple[int, ...], draw: Draw) -> _Mask:
    """A triangle in a corner."""
    height, width = shape[:2]
    reach = draw.uniform(0.15, 0.6) * height, draw.uniform(0.15, 0.6) * width
    rows, columns = np.mgrid[:height, :width]
    if draw.chance(0.5):
        rows = rows[::-1]
    if draw.chance(0.5):
        columns = columns[:, ::-1]
    return np.asarray(rows / reach[0] + columns / reach[1] < 1)


def _blobs(shape: tuple[int, ...], draw: Draw) -> _Mask:
    area = np.zeros(shape[:2], np.uint8)
    height, width = shape[:2]
    for _ in range(int(draw.rng.integers(2, 8))):
        centre = int(draw.uniform(0, width)), int(draw.uniform(0, height))
        axes = int(draw.uniform(0.03, 0.18) * width), int(draw.uniform(0.03, 0.18) * height)
        cv2.ellipse(area, centre, axes, draw.uniform(0, 180), 0, 360, 1, -1)
    return area > 0


def _filled(image: NDArray[np.uint8], area: _Mask, fill: int | str) -> NDArray[Any]:
    if fill == "mask":
        return np.ma.MaskedArray(np.where(area, 0, image).astype(np.uint8), area)
    if fill == "NaN":
        return np.where(area, np.nan, image).astype(np.float32)
    return np.where(area, fill, image).astype(np.uint8)


def _fixed(what: str, shape: tuple[int, ...], draw: Draw) -> tuple[NDArray[np.uint8], _Mask]:
    """A picture, and where it covers the images."""
    height, width = shape[:2]
    picture = np.zeros((height, width), np.uint8)
    area = np.zeros((height, width), np.uint8)
    if what == "caption":
        size = draw.uniform(0.5, 1.2) * width / 512
        for line in range(int(draw.rng.integers(1, 4))):
            text = f"LNAC {draw.rng.integers(10**6)} UTC {draw.rng.integers(10**4)}"
            at = int(0.03 * width), int((0.07 + 0.08 * line) * height)
            for canvas, value in ((picture, 255), (area, 1)):
                cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, value, 2)
        return picture, area > 0
    if what == "frame":
        edge = int(draw.uniform(0.02, 0.1) * width)
        area[:] = 1
        area[edge : height - edge, edge : width - edge] = 0
        picture[:] = draw.one_of(0, 255, 90)
        return picture, area > 0
    points = np.array([[draw.uniform(-0.1, 1), draw.uniform(0.65, 1)] for _ in range(4)])
    points = np.vstack([points, [[0, 1.05], [draw.uniform(0.3, 1), 1.05]]]) * [width, height]
    cv2.fillConvexPoly(area, cv2.convexHull(points.astype(np.int32)), 1)
    texture = cv2.GaussianBlur(draw.rng.normal(size=(height, width)), (0, 0), 3)
    picture = np.clip(130 + 400 * texture, 0, 255).astype(np.uint8)
    return picture, area > 0
