"""What speaks against a pair before its geometry is looked at: files, intrinsics, blur and more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.compression import doubt_compression
from lunar_runtime.inference.corners import doubt_corners
from lunar_runtime.inference.echoes import doubt_echoes
from lunar_runtime.inference.ground import grey_levels
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.sharpness import doubt_one_eye, doubt_sharpness
from lunar_runtime.inference.stripes import doubt_stripes
from lunar_runtime.inference.told_cameras import doubt_size
from lunar_runtime.inference.waves import doubt_waves

if TYPE_CHECKING:
    from lunar_runtime.inference.result import Refinement

# Images of 4 and 8 grey levels match, and in the median their slopes are 1.7 to 1.8 expected errors
# off; of 16 they miss up to 10 points more of the hazards. Dark ones of 28 to 38 under noise missed
# 16 to 35 points more, one of 48, as roots of the brightness, 14. Dim clean pairs have 77 and more.
_LEAST_LEVELS = 60
# Of an image's pixels, hot and dead ones that were repaired. With 1.4 and 2.8 % in other places of
# each image a pair missed 20 and 15 points more of the hazards; with up to 0.9 %, of nine none.
_MOST_REPAIRED = 0.01
_LEVEL_SHARE = 1e-4  # of the pixels, that a level needs to count: those of a view in shadow are few


def doubt_images(
    images: ImagePair,
    options: InferOptions,
    rig: Rig,
    refinement: Refinement | None,
    pixels: Callable[[], tuple[str, ...]],
) -> tuple[str, ...]:
    """What speaks against the images as given and the intrinsics told of them, in words.

    Args:
        images: As given.
        options: May have intrinsics.
        rig: May have them, and a pose.
        refinement: What the images made of them; None = they were not asked.
        pixels: What their pixels tell; see `begin_doubts`.

    Raises:
        InputError: The images bear out neither the rig's pose nor the intrinsics.
    """
    return (
        *images.doubts(),
        *doubt_size(images, options, rig, refinement),
        *pixels(),
    )


def begin_doubts(images: ImagePair) -> Callable[[], tuple[str, ...]]:
    """Begin to look at what the pixels tell by themselves; called, what speaks against them."""
    # The longest first: whoever waits for a helper later finds it in a short one.
    coming = {
        doubt: begun(partial(doubt, images)) for doubt in dict.fromkeys((doubt_echoes, *_OF_PIXELS))
    }
    return lambda: tuple(found for doubt in _OF_PIXELS for found in coming[doubt]())


def _doubt_levels(images: ImagePair) -> tuple[str, ...]:
    doubts = []
    for side, image in zip(("left", "right"), images, strict=True):
        if image.repaired > _MOST_REPAIRED:
            doubts.append(f"{image.repaired:.1%} of the {side} image's pixels are hot or dead")
        count = grey_levels(image, _LEVEL_SHARE)
        if count < _LEAST_LEVELS:
            doubts.append(
                f"the {side} image has {count} grey levels only: dark, or coded with few, which "
                "look like steps of the ground"
            )
    return tuple(doubts)


_OF_PIXELS: tuple[Callable[[ImagePair], tuple[str, ...]], ...] = (
    doubt_sharpness,
    doubt_one_eye,
    doubt_compression,
    doubt_echoes,
    doubt_stripes,
    doubt_waves,
    doubt_corners,
    _doubt_levels,
)
