"""What of the brightness no slope explains, by its wavelength, from the pair itself.

Light shows slopes along one direction. A wave of the ground whose crests run along it is not seen,
so brightness that varies across the light is no slope: albedo, noise, what the light's model lacks.
Taken to be alike in all directions, it is the noise of the shading, at every wavelength. Waves
along the light that are stronger are slopes which the surface lacks.

Where the waves that stereo resolves are no stronger along the light, and the noise grows with the
wavelength faster than any filter evens it, it is albedo: shading keeps the finest waves alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.geometry.robust import robust_sigma

_OCTAVES = 5  # from the shortest wave of two pixels
_NONE = _OCTAVES + 1  # groups of waves: the octaves, and what is in none
_FITTED = slice(1, 5)  # the shortest is what the means of neighbours leave
_CENTRE = 0.36  # of an octave, over its highest frequency and half a cycle a pixel
_ACROSS, _ALONG = 0.15, 0.6  # squared cosines of the angle between a wave and the light
_EDGE_PX = 3.0  # of the region, faded
_CLIPPED_SIGMAS = 4.0
_THIN = 4  # of the pixels, one in so many tells their sigma
# Of the high-pass filter, pixels.
_WIDTHS_PX = np.array([1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 16])
# Of albedo that varies by 15 % at 8 px, and of two rendered pairs by 18 %, waves from 8 px on are
# 0.6 to 1.1 times as strong along the light as across; with the narrowest filter above, their
# depths lost up to 9 % and slopes 7. On pairs that gained they are 1.3 times as strong and more.
_FINEST_PX, _NO_SLOPES = 0.5, 1.2
_STEREOS = 2  # octave: waves from 8 px on


class Noise(NamedTuple):
    """Of the brightness.

    Attributes:
        width_px: Sigma of the Gaussian whose mean is taken away: what is left of the noise after
            that is even over the wavelengths.
        variance: Of what is left, per pixel.
        slopes: For the wavelengths from 2, 4, 8 and 16 px on: how much stronger waves along the
            light are than across.
        finest: Whether only the finest waves are left.
    """

    width_px: float
    variance: float
    slopes: tuple[float, ...]
    finest: bool

    @property
    def narrow(self) -> bool:
        """Whether no filter is narrower: what is left of long waves is albedo."""
        return bool(self.width_px <= _WIDTHS_PX[0])


def measure_noise(
    residual: Field,
    differs: Field,
    weight: Field,
    by_right: Field,
    by_down: Field,
    finest: bool | None = None,
) -> Noise | None:
    """Of the mean of two images.

    Args:
        residual: (H, W) brightness that a surface leaves.
        differs: (H, W) half the difference of what it leaves in the two images: nothing of the
            ground.
        weight: (H, W) where it counts, 0 to 1.
        by_right: (H, W) changes of the brightness by a tilt to the right.
        by_down: (H, W) and down.
        finest: See `Noise`; None = as the brightness tells.

    Returns:
        None where too little counts.
    """
    solid = cv2.erode((weight > 0.05).astype(np.float32), np.ones((5, 5), np.uint8))
    mask = blurred(np.asarray(solid, np.float32), _EDGE_PX)
    if np.count_nonzero(mask > 0.5) < 1000:
        return None
    double_x = float(np.sum(mask * (by_right**2 - by_down**2)))
    double_y = float(np.sum(mask * (2 * by_right * by_down)))
    light = float(np.arctan2(double_y, double_x) / 2)
    (across, along), either = at_once(
        lambda each: _octaves(each[0], mask, each[1]), ((residual, light), (differs, 0.0))
    )
    other = np.maximum(*either)
    level = np.maximum(np.maximum(across, other), 1e-12)
    slopes = along / level
    width, variance = _evenest(level, _FITTED, _WIDTHS_PX)
    if finest is None:
        finest = bool(width == _WIDTHS_PX[0] and slopes[_STEREOS] < _NO_SLOPES)
    if finest:
        width, variance = _evenest(level, slice(None), np.array([_FINEST_PX]))
    return Noise(width, variance, tuple(slopes[:4].tolist()), finest)


def _evenest(level: Floats, fitted: slice, widths: Floats) -> tuple[float, float]:
    """The filter after which the noise is most even, and the largest level after it.

    Args:
        level: Of the noise, by octaves.
        fitted: Octaves that count.
        widths: Of filters to choose from, pixels.
    """
    frequency = _CENTRE * 0.5 ** np.arange(_OCTAVES)[fitted]
    turn = 2 * (np.pi * np.outer(widths, frequency)) ** 2
    white = np.log(level[fitted]) + 2 * np.log(-np.expm1(-turn))
    best = int(np.argmin(np.var(white, axis=1)))
    return float(widths[best]), float(np.exp(np.max(white[best])))


def _octaves(values: Field, mask: Field, light: float) -> tuple[Floats, Floats]:
    """Power per pixel across and along a direction, by octaves of the wavelength."""
    inside = values[mask > 0.5]
    middle = float(np.sum(values * mask) / np.sum(mask))
    limit = _CLIPPED_SIGMAS * robust_sigma((inside - np.float32(middle))[::_THIN])
    clipped = np.clip(values - np.float32(middle), -limit, limit) * mask
    height, width = (cv2.getOptimalDFTSize(side) for side in values.shape)
    spectrum = np.fft.rfft2(clipped, (height, width))  # quick sides: what is added is 0
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    group, count = _groups(height, width, light)
    mean = np.bincount(group, power.ravel(), 3 * _NONE) / (count * np.sum(mask * mask))
    return mean[_NONE : _NONE + _OCTAVES], mean[2 * _NONE : 2 * _NONE + _OCTAVES]


@lru_cache(maxsize=4)
def _groups(height: int, width: int, light: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of the waves of `rfft2`: which group each is in, flat, and how many each has, at least 1.

    A group is an octave of those in between, `_NONE` after it of those across the light, and
    twice as far after it of those along it.
    """
    along_x, along_y, octave = _waves(height, width)
    cosine = (along_x * np.cos(light) + along_y * np.sin(light)) ** 2
    turned = (cosine < _ACROSS).astype(np.uint8) + np.uint8(2) * (cosine > _ALONG)
    group = (octave + np.uint8(_NONE) * turned).ravel().astype(np.intp)
    return group, np.maximum(np.bincount(group, minlength=3 * _NONE), 1)


@lru_cache(maxsize=4)
def _waves(height: int, width: int) -> tuple[Field, Field, NDArray[np.uint8]]:
    """Of `rfft2`: the unit vectors of its waves, and their octaves; `_OCTAVES` = none of them."""
    fy = np.fft.fftfreq(height)[:, None]
    fx = np.fft.rfftfreq(width)[None]
    size = np.hypot(fx, fy)
    size[0, 0] = 1e-9
    octave = np.floor(-np.log2(2 * size))
    octave[(octave < 0) | (octave > _OCTAVES)] = _OCTAVES
    x, y = (fx / size).astype(np.float32), (fy / size).astype(np.float32)
    return x, y, octave.astype(np.uint8)
