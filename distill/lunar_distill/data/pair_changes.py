"""A pair turned, mirrored, swapped and re-exposed.

Every change keeps the geometry exact: a quarter turn of an image is a roll of its camera, a mirror
image is the image of a mirrored world, and swapping the images swaps the cameras. Each pair so
serves as 2 · 4 · 4 · 2 different ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_distill.data.training_pair import Image, TrainingPair

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def change(pair: TrainingPair, rng: np.random.Generator) -> TrainingPair:
    """The pair changed at random."""
    images, depths, right_from_left, focal_px, suns = pair
    if rng.random() < 0.5:
        images = [image[:, ::-1] for image in images]
        depths = [depth[:, ::-1] for depth in depths]
        right_from_left = MIRROR @ right_from_left @ MIRROR
        suns = suns @ MIRROR[:3, :3]
    # A camera that sees the horizon mostly has it at the top; the tilt is hard to tell otherwise.
    both = int(rng.integers(4)) if rng.random() < 0.25 else 0
    extra = int(rng.integers(4)) if rng.random() < 0.15 else 0
    turns = (both, both + extra)
    images = [np.rot90(image, k) for image, k in zip(images, turns, strict=True)]
    depths = [np.rot90(depth, k) for depth, k in zip(depths, turns, strict=True)]
    right_from_left = _roll(turns[1]) @ right_from_left @ _roll(turns[0]).T
    suns = np.stack([_roll(k)[:3, :3] @ sun for k, sun in zip(turns, suns, strict=True)])
    if rng.random() < 0.5:
        images, depths = images[::-1], depths[::-1]
        right_from_left = np.linalg.inv(right_from_left)
        suns = suns[::-1]
    images = [_expose(image, rng) for image in images]
    return TrainingPair(images, depths, right_from_left, focal_px, suns)


def _roll(quarter_turns: int) -> NDArray[np.float64]:
    """New camera from old, for an image turned anticlockwise by `np.rot90`."""
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    roll = np.eye(4)
    roll[:2, :2] = [[c, s], [-s, c]]
    return roll


def _expose(image: Image, rng: np.random.Generator) -> Image:
    """Another exposure: gain, black level, a mild tone curve, noise."""
    if rng.random() < 0.5:
        return image
    gain, black, gamma = rng.uniform(0.5, 1.0), rng.uniform(0, 0.1), rng.uniform(0.8, 1.25)
    tone = np.float32(255 * (1 - black) * gain) * (image / np.float32(255)) ** np.float32(gamma)
    noise = rng.normal(0, rng.uniform(0, 2), image.shape)
    return np.asarray(np.clip(tone + 255 * black + noise, 0, 255), np.float32)
