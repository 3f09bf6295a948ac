"""Black sky: even and dark from the border on, beyond a limb.

A cast shadow at the border is as black and as even. What tells them apart is the outline. Ground
seen against the sky ends in a limb that is convex and smooth, so the hull of all that is lit lies
along it; along a ragged shadow it touches single points. A horizon of near hills is ragged too:
there sky is what is dark along a whole side of the image. A shadow that fills a whole side is
masked with it: its ground is not in the image either.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.masking.outlines import Hull, border_areas, square

_LONGEST_PX = 512  # limbs are large

# Dark is this share of the way from the darkest to the bright, or in 8-bit images so many grey
# levels, if they are at most a quarter of the way: sky, its noise and JPEG's rings. At .08 and 4
# some skies of 8 grey levels beside shadows of 0 were missed; at .2 and 8 no clean image is taken.
_DARK, _LEAST_DARK, _MOST_DARK = 0.12, 10.0, 0.25
_PERCENTILES = (0.5, 90.0)
_SMOOTH_PX = 5
_STARS_PX = 9
_LEAST_SHARE = 0.01

# A cut along the hull: its length through the image, in images, and how much of it lies on lit
# ground. Of 100 limbs each, straight and curved, 95 % touch .59 and .77 or more; shadows in 988
# crops of clean images touch .56 at most where the cut is that long (but for one, which fills a
# side). Short cuts, as of a wedge that JPEG has blurred, touch nearly everywhere.
_CUTS = ((0.45, 0.55), (0.25, 0.85))
# 0 of 76 clean images, and 8 of 912 deep shadows in their crops, are dark along a whole side.
_WHOLE_SIDE = 0.95
_LIMB_PX = 4
# A sky's level, between the two percentiles, changes by less than its noise or a hundredth of the
# image's contrast. The soft shadows of StereoLunar's craters change by 2 to 8 hundredths.
_CORE_PX, _LEVEL_PX = 6, 9
_MOST_OF_IT = (15.0, 60.0)  # the rest may be a shadow at the limb
_EVEN_NOISES, _EVEN_CONTRAST = 0.6, 0.01


def sky_area(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Where an image shows black sky.

    Args:
        values: (h, w), any type; finite.
        valid: (h, w) bool, what else is ground or sky; None = all.

    Returns:
        (h, w) bool, some pixels of the limb included; None where there is none.
    """
    height, width = values.shape
    shrink = min(1.0, _LONGEST_PX / max(height, width))
    small = values if values.dtype == np.uint8 else values.astype(np.float32)
    usable = None if valid is None else valid.astype(np.uint8)
    if shrink < 1:
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        if usable is not None:
            usable = np.asarray(cv2.resize(usable, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    dark = _dark(small, usable)
    areas = list(border_areas(dark, _LEAST_SHARE * dark.size))
    if not areas:
        return None
    lit = (~dark).astype(np.uint8)
    if usable is not None:
        lit &= usable
    sky = np.zeros(dark.shape, bool)
    hull = Hull.of(lit > 0)
    for area in areas:
        if area.side_share >= _WHOLE_SIDE:
            if _even(small, area.pixels):
                sky |= area.pixels
            continue
        cut = hull.cut(area.pixels)
        length = cut.length_px / min(dark.shape)
        if (
            cut.share >= _LEAST_SHARE
            and any(length >= least and cut.contact >= contact for least, contact in _CUTS)
            and _even(small, cut.pixels)
        ):
            sky |= cut.pixels
    if not sky.any():
        return None
    grown = cv2.dilate(sky.astype(np.uint8), square(_LIMB_PX))
    if shrink < 1:
        grown = cv2.resize(grown, (width, height), interpolation=cv2.INTER_NEAREST)
    return grown > 0


def _even(image: NDArray[Any], area: NDArray[np.bool_]) -> bool:
    """Whether an area is one level and noise. A shadow's floor is lit by the slopes around it."""
    core = cv2.erode(area.astype(np.uint8), square(_CORE_PX), borderValue=1) > 0
    if not core.any():
        return True
    values = image.astype(np.float32)
    level = cv2.blur(values, (_LEVEL_PX, _LEVEL_PX))[core]
    noise = float(np.sqrt(np.mean((values - cv2.blur(values, (3, 3)))[core] ** 2)))
    low, high = np.percentile(level, _MOST_OF_IT)
    contrast = float(np.subtract(*np.percentile(image[::4, ::4], _PERCENTILES[::-1])))
    return bool(high - low <= max(_EVEN_NOISES * noise, _EVEN_CONTRAST * contrast))


def _dark(small: NDArray[Any], usable: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    smooth = cv2.blur(small, (_SMOOTH_PX, _SMOOTH_PX))
    sample = smooth[::4, ::4]
    if usable is not None and usable[::4, ::4].any():
        sample = sample[usable[::4, ::4] > 0]
    low, high = (float(v) for v in np.percentile(sample, _PERCENTILES))
    share = _DARK
    if small.dtype == np.uint8 and high > low:
        share = max(share, min(_LEAST_DARK / (high - low), _MOST_DARK))
    dark = (smooth <= low + share * (high - low)).astype(np.uint8)
    if usable is not None:
        dark &= usable
    return cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((_STARS_PX, _STARS_PX), np.uint8)) > 0
