"""Views that are hard, and told rightly: other suns, narrow fields, other shapes and sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation, camera_height_m, ground_of


def other_sun(situation: Situation, draw: Draw) -> Situation:
    """The right image under another sun; the pose as a start, or held."""
    scene = draw.pair.name.partition(" sun ")[0]
    others = [
        pair
        for pair in draw.pairs
        if pair.name.startswith(f"{scene} sun ") and pair.name != draw.pair.name
    ]
    other = draw.one_of(*others)
    pose = draw.one_of("initial", "fixed")
    found = situation.having(right=other.right).telling(pose=pose)
    return found.noting(right=other.name, pose=pose)


def narrow_field(situation: Situation, draw: Draw) -> Situation:
    """Windows of 96 to 200 px around one point; the pose as a start, or held."""
    side = int(draw.rng.integers(96, 201))
    side = min(side, situation.left.shape[0] // 2)
    pose = draw.one_of("initial", "fixed")
    left = _anywhere(situation.left.shape, (side, side), draw)
    right = _seen_from_right(situation, left, (side, side), draw)
    return _windowed(situation, left, right).telling(pose=pose).noting(side_px=side, pose=pose)


def part_of_the_view(situation: Situation, draw: Draw) -> Situation:
    """The same square window of both images; half of the side or more."""
    share = draw.uniform(0.5, 1.0)
    side = round(share * situation.left.shape[0])
    window = _anywhere(situation.left.shape, (side, side), draw)
    return _windowed(situation, window, window).noting(share=share)


def not_square(situation: Situation, draw: Draw) -> Situation:
    """Images 1.5 to 4 times as wide as they are high, or as high as they are wide."""
    aspect = draw.log_uniform(1.4, 4)
    height, width = situation.left.shape
    size = (round(height / aspect), width)
    if draw.chance(0.4):
        size = (height, round(width / aspect))
    window = _anywhere(situation.left.shape, size, draw)
    return _windowed(situation, window, window).noting(rows=size[0], columns=size[1])


def right_of_another_size(situation: Situation, draw: Draw) -> Situation:
    """The right image resampled, with its own camera."""
    ratio = draw.uniform(0.5, 1.6)
    height, width = (round(ratio * side) for side in situation.right.shape)
    mode = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    right = cv2.resize(situation.right, (width, height), interpolation=mode)
    assert situation.told.right is not None
    camera = situation.told.right.scaled(
        width / situation.right.shape[1], height / situation.right.shape[0]
    )
    return situation.having(right=right).telling(right=camera).noting(size_ratio=ratio)


_Window = tuple[slice, slice]


def half_the_pixels(situation: Situation, draw: Draw) -> Situation:
    """Both images at half their sides: the fewer pixels, the less relief tells of the pose.

    What whole images say of the ground is no measure: in half the pixels it looks flatter.
    """
    ground, told = situation.ground, situation.told
    assert ground is not None
    assert draw.pair.up_left is not None
    assert told.left is not None
    assert told.right is not None
    left, right = told.left.scaled(0.5, 0.5), told.right.scaled(0.5, 0.5)
    seen = ground_of(_halved(ground.depth), left, draw.pair.up_left)
    small = situation.having(
        left=_halved(situation.left), right=_halved(situation.right), ground=seen
    )
    return small.telling(left=left, right=right)


def _halved(values: NDArray[Any]) -> NDArray[Any]:
    height, width = values.shape[0] // 2, values.shape[1] // 2
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)


def _anywhere(shape: tuple[int, ...], size: tuple[int, int], draw: Draw) -> _Window:
    top = int(draw.rng.integers(shape[0] - size[0] + 1))
    left = int(draw.rng.integers(shape[1] - size[1] + 1))
    return slice(top, top + size[0]), slice(left, left + size[1])


def _seen_from_right(
    situation: Situation, window: _Window, size: tuple[int, int], draw: Draw
) -> _Window:
    """The window of the right image around what the left one's middle shows."""
    assert situation.ground is not None
    pair = draw.pair
    z = float(np.nanmedian(situation.ground.window(*window).depth))
    middle = np.array([(part.start + part.stop) / 2 for part in reversed(window)])
    ray = np.linalg.inv(pair.camera_left.matrix()) @ [*middle, 1.0]
    seen = pair.camera_right.matrix() @ (pair.right_from_left @ [*(z * ray), 1.0])[:3]
    x, y = seen[:2] / seen[2]
    height, width = situation.right.shape
    top = int(np.clip(round(y - size[0] / 2), 0, height - size[0]))
    left = int(np.clip(round(x - size[1] / 2), 0, width - size[1]))
    return slice(top, top + size[0]), slice(left, left + size[1])


def _windowed(situation: Situation, left: _Window, right: _Window) -> Situation:
    """Both images cut, with cameras, altitude and truth to match."""
    told, ground = situation.told, situation.ground
    assert told.left is not None and told.right is not None and ground is not None
    camera = _shifted(told.left, left)
    ground = ground.window(*left)
    return situation.having(
        left=_cut(situation.left, left), right=_cut(situation.right, right), ground=ground
    ).telling(
        left=camera,
        right=_shifted(told.right, right),
        altitude_m=camera_height_m(ground.depth, camera),
    )


def _cut(image: NDArray[np.uint8], window: _Window) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image[window])


def _shifted(camera: Intrinsics, window: _Window) -> Intrinsics:
    return replace(camera, cx=camera.cx - window[1].start, cy=camera.cy - window[0].start)
