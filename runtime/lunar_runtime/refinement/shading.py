"""Shading: brightness carries the slope where stereo no longer does.

Stereo measures heights. Its slopes are differences of heights, so they are worst over short
distances, where the plate smooths them. Brightness follows the slope itself, at every wavelength,
but only along the light, and it follows albedo as well. So each owns its end:

1. a light is fitted on the refined surface's own slopes and the brightness of both images
   (`light`); nobody tells the sun;
2. what it leaves is slope the surface lacks, and noise; the noise is measured over the wavelengths
   (`brightness_noise`), and long waves are filtered out until the rest is even;
3. the plate takes what the rest says of its tilt, beside what stereo says (`tilted_plate`);
4. once more from the surface that came of it: its slopes tell the light better.

It is off, and says why, where the brightness does not follow the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.brightness_noise import Noise, measure_noise
from lunar_runtime.refinement.light import Ground, Light
from lunar_runtime.refinement.prior import LEAST_DEPARTURE
from lunar_runtime.refinement.tilted_plate import Tilt, TiltedPlate, corners, steps

# Of the solver, in every round. Inside the overlap 10 come within 2 % of the slope error of 100.
# Outside, where nothing holds long waves, 20 leave 3-8 % less than 10. A third round gains 3 % more
# and makes relief of strong texture.
_ITERATIONS = (10, 20)
_DRAW_ITERATIONS = 5
_DARK_DN, _BRIGHT_DN = 8.0, 250.0  # beyond them brightness says nothing of the slope
_AROUND = np.ones((3, 3), np.uint8)
# With 3, relief that covers less than half of flat ground counts as an outlier; with 8, shadows'
# edges cost 2 % of the slope error of rendered pairs.
_OUTLIER_SIGMAS = 5.0
_LEAST_LIT = 4000  # corners of the plate, to fit a light on
# Nothing was gained on a pair at 0.12 (albedo of 14 % under a sun of 33 degrees), 20 % at 0.51.
_LEAST_EXPLAINED = 0.2
_LEAST_SLOPES = 1.2  # the 18 pairs that gained had 2.5 and more
_BLOCK = 32  # corners of the plate
_HELD_OUT_SAMPLES = 1500


class Plated(NamedTuple):
    """A plate's solution, on its own grid of half the view's resolution.

    Attributes:
        prior: (h, w) inverse depth.
        departure: (h, w) from it, relative.
        weight: (h, w) information on the departure, the prior's too.
        compliance: (h, w).
        stiffness: Of the plate.
        decided: (h, w) bool, where the images decide.
    """

    prior: Field
    departure: Field
    weight: Field
    compliance: Field
    stiffness: float
    decided: NDArray[np.bool_]


class ShadingTold(NamedTuple):
    """What a report says of the shading.

    Attributes:
        reason: Why it adds nothing; None = it does.
        explained: Share of the brightness' variance that slopes explain in blocks of the view on
            which the light was not fitted.
        width_px: Sigma of the mean that is taken from the brightness, pixels of the view: much
            longer waves are stereo's alone. 0 = off.
    """

    reason: str | None
    explained: float
    width_px: float


@dataclass(frozen=True)
class Shading:
    """What brightness adds to a plate.

    Attributes:
        departure: (h, w) of the surface with it.
        reason: See `ShadingTold`, likewise the next two.
    """

    departure: Field
    reason: str | None
    explained: float = 0.0
    width_px: float = 0.0
    _plate: TiltedPlate | None = None
    _tilt: Tilt | None = None
    _noise: Noise | None = None

    def told(self) -> ShadingTold:
        """For the report."""
        return ShadingTold(self.reason, self.explained, self.width_px)

    def of_draws(self, draws: Field) -> Field:
        """Errors that are left of a plate's errors, (N, h, w); seeded.

        Each is corrected as the surface was: by the brightness that it would leave, with noise.
        The second half of the draws are the first one's with the other sign, and stay so.
        """
        if self._plate is None or self._tilt is None or self._noise is None:
            return draws
        rng = np.random.default_rng(0)
        count = len(draws) // 2
        done = []
        for error in draws[: len(draws) - count]:
            left = _without_long(-self._tilt.of(error), self._tilt.information, self._noise)
            noise = rng.standard_normal(left.shape, np.float32)
            left += np.float32(np.sqrt(self._noise.variance)) * noise
            done.append(error + self._plate.correction(left, _DRAW_ITERATIONS))
        return np.concatenate([done, [-one for one in done[:count]]]).astype(np.float32)


def shade(view: View, warped: Field, inside: NDArray[np.bool_], plated: Plated) -> Shading:
    """Add what brightness says of the slopes.

    Args:
        view: That was refined, at half its resolution (`View.halved`).
        warped: (h, w) grey levels of the other image through the surface.
        inside: (h, w) where that image shows the ground.
        plated: The surface before.
    """
    images = _lit(view.grey, view.valid), _lit(np.where(inside, warped, 0).astype(np.float32), None)
    rays = view.rays()
    x, y = (corners(np.ascontiguousarray(rays[..., i])) for i in range(2))
    known = corners(plated.decided.astype(np.float32)) > 0.9
    chosen = images[0].lit & images[1].lit & known
    if np.count_nonzero(chosen) < _LEAST_LIT:
        return Shading(plated.departure, "too little of the common ground is lit")
    focal = view.intrinsics.fx, view.intrinsics.fy
    departure = plated.departure
    explained = _held_out(images[0].grey, _ground(plated.prior, departure, focal, x, y), chosen)
    if explained < _LEAST_EXPLAINED:
        return Shading(departure, "the brightness does not follow the slopes", explained)
    found = Shading(departure, "too little of the common ground is lit", explained)
    for iterations in _ITERATIONS:
        ground = _ground(plated.prior, departure, focal, x, y)
        seen = _residual(images, ground, chosen, focal)
        weight = seen.weight * known
        noise = measure_noise(seen.residual, seen.differs, weight, seen.right, seen.down)
        if noise is None:
            break
        if found.reason is not None and max(noise.slopes) < _LEAST_SLOPES:
            reason = "what the slopes leave of the brightness is no slope"
            return Shading(departure, reason, explained)
        share = corners(np.float32(1) / (1 + departure))
        tilt = Tilt(seen.right * share, seen.down * share, seen.weight / np.float32(noise.variance))
        plate = TiltedPlate(plated.weight, plated.compliance, plated.stiffness, tilt)
        residual = _without_long(seen.residual, tilt.information, noise)
        departure = np.maximum(departure + plate.correction(residual, iterations), LEAST_DEPARTURE)
        found = Shading(departure, None, explained, 2 * noise.width_px, plate, tilt, noise)
    return found


class _Image(NamedTuple):
    """Grey levels on the plate's corners, and where they are neither dark nor saturated."""

    grey: Field
    lit: NDArray[np.bool_]


class _Seen(NamedTuple):
    """What is left of the brightness of both images, in units of its deviation; see `Tilt`."""

    residual: Field
    differs: Field
    right: Field
    down: Field
    weight: Field


def _lit(grey: Field, valid: NDArray[np.bool_] | None) -> _Image:
    least, most = cv2.erode(grey, _AROUND), cv2.dilate(grey, _AROUND)
    lit = (least > _DARK_DN) & (most < _BRIGHT_DN)
    if valid is not None:
        lit &= cv2.erode(valid.astype(np.uint8), _AROUND) > 0
    return _Image(corners(grey), corners(lit.astype(np.float32)) == 1)


def _ground(
    prior: Field, departure: Field, focal: tuple[float, float], x: Field, y: Field
) -> Ground:
    right, down = steps(np.log(prior * (1 + departure)))
    return Ground.of(np.float32(focal[0]) * right, np.float32(focal[1]) * down, x, y)


def _residual(
    images: tuple[_Image, _Image],
    ground: Ground,
    chosen: NDArray[np.bool_],
    focal: tuple[float, float],
) -> _Seen:
    """Of both images where both show the ground, of the first one elsewhere."""
    parts = []
    for image in images:
        light = Light.fit(image.grey, ground, chosen)
        left = image.grey - light.brightness(ground)
        by_p, by_q = light.by_tilt(ground)
        unit = np.float32(1 / max(float(np.std(image.grey[chosen])), 1e-6))
        sigma = max(robust_sigma(left[chosen]), 1e-6)
        weight = image.lit / (1 + np.square(left / np.float32(_OUTLIER_SIGMAS * sigma))) ** 2
        parts.append(
            (left * unit, by_p * (unit * np.float32(focal[0])),
             by_q * (unit * np.float32(focal[1])), weight)
        )  # fmt: skip
    one, other = parts
    both = images[1].lit
    mean = [np.where(both, (a + b) / 2, a) for a, b in zip(one[:3], other[:3], strict=True)]
    # What one image has of its own counts for twice as much where there is no other.
    alone = one[3] * np.float32(0.5)
    weight = np.where(both, np.minimum(one[3], other[3]), alone).astype(np.float32)
    differs = np.where(both, (one[0] - other[0]) / 2, 0).astype(np.float32)
    return _Seen(mean[0], differs, mean[1], mean[2], weight)


def _without_long(residual: Field, weight: Field, noise: Noise) -> Field:
    """Less its mean around, over what counts."""
    weight = weight / max(float(weight.max()), 1e-30)
    total = np.maximum(blurred(weight, noise.width_px), np.float32(0.05))
    return np.asarray(residual - blurred(residual * weight, noise.width_px) / total, np.float32)


def _held_out(grey: Field, ground: Ground, chosen: NDArray[np.bool_]) -> float:
    """Share of the variance that slopes explain in blocks on which the light was not fitted.

    The light is fitted on the blocks of one colour of a chessboard and foretells the other's. What
    a polynomial of the pixel explains (phase, vignetting) does not count.
    """
    height, width = grey.shape
    rows, columns = np.arange(height)[:, None] // _BLOCK, np.arange(width) // _BLOCK
    dark = (rows + columns) % 2 == 0
    flat = ground._replace(a=np.zeros_like(grey), b=np.zeros_like(grey), c=np.ones_like(grey))
    left = [np.zeros_like(grey), np.zeros_like(grey)]
    for colour in (dark, ~dark):
        test = chosen & ~colour
        if min(np.count_nonzero(test), np.count_nonzero(chosen & colour)) < _LEAST_LIT // 4:
            return 0.0
        for rest, model in zip(left, (ground, flat), strict=True):
            light = Light.fit(grey, model, chosen & colour, _HELD_OUT_SAMPLES)
            found = light.brightness(model)
            rest[test] = (grey - found)[test]
    with_slopes, without = (_most_of_variance(rest[chosen]) for rest in left)
    return 1 - with_slopes / max(without, 1e-12)


def _most_of_variance(values: Field) -> float:
    """Mean square without the largest twentieth: shadows' edges and what the light leaves out.

    A median would not see relief that covers less than half of the ground.
    """
    square = np.square(values)
    return float(np.mean(square[square <= np.quantile(square, 0.95)]))
