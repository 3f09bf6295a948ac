"""Images that are no pair, or not this one."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation, ground_of

# Scenes of StereoLunar that show the same ground: 145 and 196 features of one lie where a plane's
# motion has those of the other, and 120 make a pair that refines. No other two share more than 12.
_ONE_GROUND = {"Dynamic_paire2", "Oblique_paire1"}


def no_ground(situation: Situation, draw: Draw) -> Situation:
    """Noise, dark noise, cloudy noise or a pattern instead of both images."""
    what = draw.one_of("noise", "dark noise", "cloudy noise", "sine", "chequers")
    left, right = (_nothing(what, situation.left.shape, draw) for _ in "LR")
    return situation.having(left=left, right=right, ground=None).noting(what=what)


def another_scene(situation: Situation, draw: Draw) -> Situation:
    """The right image of another scene."""
    scene = _scene(draw.pair.name)
    others = [
        pair
        for pair in draw.pairs
        if _scene(pair.name) != scene
        and {_scene(pair.name), scene} != _ONE_GROUND
        and pair.right.shape == draw.pair.right.shape
    ]
    other = draw.one_of(*others)
    return situation.having(right=other.right, ground=None).noting(right=other.name)


def own_mask(situation: Situation, draw: Draw) -> Situation:
    """An image and a mask of it."""
    level = draw.uniform(20, 80)
    bright = situation.left > np.percentile(situation.left, level)
    mask = bright.astype(np.uint8) * 255
    return situation.having(right=mask, ground=None).noting(percentile=level)


def mirrored(situation: Situation, draw: Draw) -> Situation:
    """One image, or both, mirrored."""
    both = draw.chance(0.5)
    right = np.ascontiguousarray(situation.right[:, ::-1])
    if not both:
        return situation.having(right=right, ground=None).noting(images="right")
    left = np.ascontiguousarray(situation.left[:, ::-1])
    assert situation.ground is not None
    ground = situation.ground.turned_over()
    return situation.having(left=left, right=right, ground=ground).noting(images="both")


def exchanged(situation: Situation, draw: Draw) -> Situation:
    """Left for right; what is told stays."""
    pair = draw.pair
    assert pair.depth_right is not None and pair.up_left is not None
    up = pair.right_from_left[:3, :3] @ pair.up_left
    ground = ground_of(pair.depth_right, pair.camera_right, up)
    return situation.having(left=situation.right, right=situation.left, ground=ground)


def stood_still(situation: Situation, draw: Draw) -> Situation:
    """A camera that did not move: the left image twice, with other noise and exposure."""
    sigma, gain = draw.uniform(0.5, 4), draw.uniform(0.8, 1.1)
    right = situation.left * gain + draw.rng.normal(0, sigma, situation.left.shape)
    right = np.clip(np.rint(right), 0, 255).astype(np.uint8)
    return situation.having(right=right).noting(noise_dn=sigma, gain=gain)


def only_turned(situation: Situation, draw: Draw) -> Situation:
    """A camera that turned about itself."""
    angle = draw.uniform(1, 12)
    axis = draw.rng.normal(size=3)
    turn = cv2.Rodrigues(np.radians(angle) * axis / np.linalg.norm(axis))[0]
    K = draw.pair.camera_left.matrix()
    # Pixel centres are at +0.5 here, at 0 in OpenCV.
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    moved = np.linalg.inv(shift) @ K @ turn @ np.linalg.inv(K) @ shift
    height, width = situation.left.shape
    right = cv2.warpPerspective(situation.left, moved, (width, height), flags=cv2.INTER_CUBIC)
    noisy = right + draw.rng.normal(0, 1, right.shape)
    right = np.where(right > 0, np.clip(np.rint(noisy), 0, 255), 0).astype(np.uint8)
    return situation.having(right=right).noting(turn_deg=angle)


def _scene(name: str) -> str:
    """The scene of a pair of StereoLunar, whatever its suns; a rendered pair is its own."""
    return name.partition(" sun ")[0]


def _nothing(what: str, shape: tuple[int, ...], draw: Draw) -> NDArray[np.uint8]:
    height, width = shape[:2]
    if what == "dark noise":
        return np.asarray(draw.rng.integers(0, 6, shape, dtype=np.uint8))
    if what == "cloudy noise":
        clouds = cv2.GaussianBlur(draw.rng.normal(size=shape), (0, 0), draw.uniform(1, 12))
        return np.asarray(np.clip(128 + 60 * clouds / clouds.std(), 0, 255), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    period = draw.log_uniform(8, 80)
    if what == "sine":
        turned = draw.uniform(0, np.pi)
        phase = (np.cos(turned) * rows + np.sin(turned) * columns) / period
        return np.asarray(128 + 120 * np.sin(2 * np.pi * phase), np.uint8)
    if what == "chequers":
        shifted = (columns + draw.uniform(0, period)) // period + rows // period
        return np.asarray(shifted % 2 * 200 + 20, np.uint8)
    return np.asarray(draw.rng.integers(0, 256, shape, dtype=np.uint8))
