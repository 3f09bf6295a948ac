"""Other pairs out of a pair: swapped, mirrored, turned; always both images alike.

Two cameras that see a mirrored world mirrored, or are turned about their optical axes alike, are
again two cameras that see one world, so what comes out is a stereo pair as good as what went in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_calib.sets.calibration_manifest import Augmentation

Image = NDArray[np.uint8]

UNCHANGED = Augmentation()


def augment(left: Image, right: Image, augmentation: Augmentation) -> tuple[Image, Image]:
    """Apply an augmentation.

    Args:
        left: (H, W) uint8.
        right: (H, W) uint8.
        augmentation: What to do.

    Returns:
        Left and right image, contiguous; (W, H) after an odd number of quarter turns.
    """
    if augmentation.swap:
        left, right = right, left
    left, right = (_turn(image, augmentation) for image in (left, right))
    return left, right


def draw_augmentations(rng: np.random.Generator, count: int, *, square: bool) -> list[Augmentation]:
    """Different augmentations, none of which leaves a pair unchanged.

    Args:
        rng: Draws them.
        count: How many; fewer come where there are not so many.
        square: Whether height and width are equal; otherwise only half turns keep the shape.
    """
    everything = [
        Augmentation(swap=swap, flip=flip, quarter_turns=turns)
        for swap in (False, True)
        for flip in (False, True)
        for turns in (range(4) if square else (0, 2))
    ]
    others = [augmentation for augmentation in everything if augmentation != UNCHANGED]
    return [others[i] for i in rng.permutation(len(others))[:count]]


def _turn(image: Image, augmentation: Augmentation) -> Image:
    mirrored = np.fliplr(image) if augmentation.flip else image
    return np.ascontiguousarray(np.rot90(mirrored, augmentation.quarter_turns))
