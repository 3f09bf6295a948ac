"""What speaks against a pair before its geometry is looked at: files, intrinsics, blur, levels."""

from __future__ import annotations

from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.ground import grey_levels
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.result import Refinement
from lunar_runtime.inference.sharpness import doubt_sharpness
from lunar_runtime.inference.told_cameras import doubt_size

# Images of 4 and 8 grey levels match, and in the median their slopes are 1.7 to 1.8 expected errors
# off; of 16 they miss up to 10 points more of the hazards. Of 32 levels slopes are 0.6 errors off.
_LEAST_LEVELS = 20
_LEVEL_SHARE = 1e-4  # of the pixels, that a level needs to count: those of a view in shadow are few


def doubt_images(
    images: ImagePair, options: InferOptions, rig: Rig, refinement: Refinement | None
) -> tuple[str, ...]:
    """What speaks against the images as given and the intrinsics told of them, in words.

    Args:
        images: As given.
        options: May have intrinsics.
        rig: May have them, and a pose.
        refinement: What the images made of them; None = they were not asked.

    Raises:
        InputError: The images bear out neither the rig's pose nor the intrinsics.
    """
    return (
        *images.doubts(),
        *doubt_size(images, options, rig, refinement),
        *doubt_sharpness(images),
        *_doubt_levels(images),
    )


def _doubt_levels(images: ImagePair) -> tuple[str, ...]:
    levels = [grey_levels(image, _LEVEL_SHARE) for image in images]
    return tuple(
        f"the {side} image has {count} grey levels only, which look like steps of the ground"
        for side, count in zip(("left", "right"), levels, strict=True)
        if count < _LEAST_LEVELS
    )
