"""A pair's geometry and its images, put together to a result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair, Lenses
from lunar_runtime.inference.result import Geometry, ModelInfo, PairImage, StereoResult
from lunar_runtime.masking.mask import ValidPair


class Seen(NamedTuple):
    """Both images, as given and on the result's grids.

    Attributes:
        images: As given.
        greys: (H, W) uint8 of each.
        valid: (H, W) of each; None = all are.
        lenses: That were taken out of them.
        body_from_left: Where the rig places the left camera on the Moon; None = it does not.
    """

    images: ImagePair
    greys: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    valid: ValidPair
    lenses: Lenses
    body_from_left: NDArray[np.float64] | None = None


def assemble(
    geometry: Geometry, options: InferOptions, model: ModelInfo | None, seen: Seen, clock: Clock
) -> StereoResult:
    """Make the result of a pair.

    Args:
        geometry: Of the pair.
        options: What was asked for.
        model: What ran; None = no network did.
        seen: The images that the geometry is of.
        clock: What the stages took.
    """
    left, right = (
        PairImage(image, grey, valid)
        for image, grey, valid in zip(seen.images, seen.greys, seen.valid, strict=True)
    )
    return StereoResult(
        **vars(geometry),
        options=options,
        model=model,
        left=left,
        right=right,
        lenses=seen.lenses,
        body_from_left=seen.body_from_left,
        timings_ms=clock.timings_ms,
    )
