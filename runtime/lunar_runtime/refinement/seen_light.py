"""What a light leaves of the brightness of images, and how much of it slopes explain."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.fields import Field, half, resized
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.refinement.light import Ground, Light
from lunar_runtime.refinement.plate_corners import corners

_DARK_DN, _BRIGHT_DN = 8.0, 250.0  # beyond them brightness says nothing of the slope
_AROUND = np.ones((3, 3), np.uint8)
# With 3, relief that covers less than half of flat ground counts as an outlier; with 8, shadows'
# edges cost 2 % of the slope error of rendered pairs.
_OUTLIER_SIGMAS = 5.0
#: Corners of the plate, to fit a light on.
LEAST_LIT = 4000
_THIN = 4  # of the corners, one in so many tells a sigma, or what is held out
_BLOCK = 32  # corners of the plate
_HELD_OUT_SAMPLES = 1500


class LitImage(NamedTuple):
    """Grey levels on the plate's corners, and where they are neither dark nor saturated."""

    grey: Field
    lit: NDArray[np.bool_]


class Seen(NamedTuple):
    """What is left of the brightness, in units of its deviation; see `Tilt`."""

    residual: Field
    differs: Field
    right: Field
    down: Field
    weight: Field


def lit_image(grey: Field, valid: NDArray[np.bool_] | None) -> LitImage:
    """An image on the plate's corners; what `valid` leaves out, None = nothing, is not lit.

    A corner's grey level is the mean of the four pixels around it. Means of the four nodes, sixteen
    pixels, show waves of six pixels at half of their height, and their slopes came out as low.

    Args:
        grey: (H, W) of the view's resolution.
        valid: (H, W).
    """
    small = half(grey)
    least, most = cv2.erode(small, _AROUND), cv2.dilate(small, _AROUND)
    lit = (least > _DARK_DN) & (most < _BRIGHT_DN)
    if valid is not None:
        whole = half(valid.astype(np.float32)) == 1
        lit &= cv2.erode(whole.astype(np.uint8), _AROUND) > 0
    even = resized(grey, (2 * small.shape[0], 2 * small.shape[1]))
    return LitImage(half(even[1:-1, 1:-1]), corners(lit.astype(np.float32)) == 1)


def residual_of(
    images: tuple[LitImage, ...],
    ground: Ground,
    chosen: NDArray[np.bool_],
    focal: tuple[float, float],
) -> Seen:
    """What is left of one image, or of both of a pair.

    Of a pair the mean where both show the ground, the first one's elsewhere.

    Args:
        images: One, or two under one sun.
        ground: The surface.
        chosen: (h, w) where the light is fitted.
        focal: Of the camera, pixels.
    """
    parts = at_once(lambda image: _left_of(image, ground, chosen, focal), images)
    one = parts[0]
    if len(parts) == 1:
        weight = np.asarray(one[3], np.float32)
        return Seen(one[0], np.zeros_like(one[0]), one[1], one[2], weight)
    other = parts[1]
    both = images[1].lit
    mean = [np.where(both, (a + b) / 2, a) for a, b in zip(one[:3], other[:3], strict=True)]
    # What one image has of its own counts for twice as much where there is no other.
    alone = one[3] * np.float32(0.5)
    weight = np.where(both, np.minimum(one[3], other[3]), alone).astype(np.float32)
    differs = np.where(both, (one[0] - other[0]) / 2, 0).astype(np.float32)
    return Seen(mean[0], differs, mean[1], mean[2], weight)


def _left_of(
    image: LitImage, ground: Ground, chosen: NDArray[np.bool_], focal: tuple[float, float]
) -> tuple[Field, Field, Field, Field]:
    light = Light.fit(image.grey, ground, chosen)
    bright, by_p, by_q = light.seen(ground)
    left = image.grey - bright
    unit = np.float32(1 / max(float(np.std(image.grey[chosen])), 1e-6))
    sigma = max(robust_sigma(left[chosen][::_THIN]), 1e-6)
    weight = image.lit / (1 + np.square(left / np.float32(_OUTLIER_SIGMAS * sigma))) ** 2
    return (
        left * unit, by_p * (unit * np.float32(focal[0])), by_q * (unit * np.float32(focal[1])),
        weight,
    )  # fmt: skip


def held_out(grey: Field, ground: Ground, chosen: NDArray[np.bool_]) -> float:
    """Share of the variance that slopes explain in blocks on which the light was not fitted.

    The light is fitted on the blocks of one colour of a chessboard and foretells the other's. What
    a polynomial of the pixel explains (phase, vignetting) does not count.
    """
    at = np.flatnonzero(chosen.ravel())[::_THIN]
    rows, columns = (index // _BLOCK for index in np.unravel_index(at, grey.shape))
    dark = (rows + columns) % 2 == 0
    ground, grey = ground.at(at), grey.ravel()[at]
    flat = ground._replace(a=np.zeros_like(grey), b=np.zeros_like(grey), c=np.ones_like(grey))
    left = [np.zeros_like(grey), np.zeros_like(grey)]
    for colour in (dark, ~dark):
        test = ~colour
        if _THIN * min(np.count_nonzero(test), np.count_nonzero(colour)) < LEAST_LIT // 4:
            return 0.0
        for rest, model in zip(left, (ground, flat), strict=True):
            light = Light.fit(grey, model, colour, _HELD_OUT_SAMPLES)
            rest[test] = (grey - light.brightness(model))[test]
    with_slopes, without = (_most_of_variance(rest) for rest in left)
    return 1 - with_slopes / max(without, 1e-12)


def _most_of_variance(values: Field) -> float:
    """Mean square without the largest twentieth: shadows' edges and what the light leaves out.

    A median would not see relief that covers less than half of the ground.
    """
    square = np.square(values)
    return float(np.mean(square[square <= np.quantile(square, 0.95)]))
