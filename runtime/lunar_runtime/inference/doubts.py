"""What speaks against a pair before its geometry is looked at: files, intrinsics, blur."""

from __future__ import annotations

from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.result import Refinement
from lunar_runtime.inference.sharpness import doubt_sharpness
from lunar_runtime.inference.told_cameras import doubt_size


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
    )
