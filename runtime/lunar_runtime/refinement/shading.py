"""Shading: brightness carries the slope where stereo no longer does.

Stereo measures heights. Its slopes are differences of heights, so they are worst over short
distances, where the plate smooths them. Brightness follows the slope itself, at every wavelength,
but only along the light, and it follows albedo as well. So each owns its end:

1. a light is fitted on the refined surface's own slopes and the brightness of both images
   (`light`); nobody tells the sun;
2. what it leaves is slope the surface lacks, and noise; the noise is measured over the wavelengths
   (`brightness_noise`), and long waves are filtered out until the rest is even;
3. the plate takes what the rest says of its tilt, beside what stereo says (`tilted_plate`);
4. twice more from the surface that came of it: its slopes tell the light better. The plate resists
   all corrections together: where it forgot the first one, texture became relief.

An image under another sun, whose pose is known from elsewhere, adds slopes along its own light
(`other_light`): 1 to 4 are done for each sun, and the plate takes them all.

It is off, and says why, where the brightness does not follow the slopes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once, begun
from lunar_runtime.geometry.fields import Field, blurred
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.brightness_noise import Noise, measure_noise
from lunar_runtime.refinement.light import Ground
from lunar_runtime.refinement.other_light import OtherLight
from lunar_runtime.refinement.plate_corners import Tilt, corners, steps
from lunar_runtime.refinement.prior import LEAST_DEPARTURE
from lunar_runtime.refinement.seen_light import (
    LEAST_LIT,
    LitImage,
    held_out,
    lit_image,
    residual_of,
)
from lunar_runtime.refinement.tilted_plate import Iterations, TiltedPlate

# Of the solver, in every round. As many in two rounds leave 2-3 % more of the slope error (33
# pairs). Outside nothing holds long waves: coarser grids take 9 % of its slope error on
# StereoLunar's pairs and 3 % on 48 rendered ones, for 6 ms. Beside much albedo the finest alone:
# coarser ones, and more in the first rounds, make relief of it (32 pairs: worst slope inside 1.10
# of stereo's own, with the finest 1.04).
_ITERATIONS = (Iterations(4, 4, 8), Iterations(4, 4, 8), Iterations(14, 6, 16))
_DRAW_ITERATIONS = Iterations(5)
# Nothing was gained on a pair at 0.12 (albedo of 14 % under a sun of 33 degrees), 20 % at 0.51.
_LEAST_EXPLAINED = 0.2
_TOO_LITTLE = "too little of the common ground is lit"
_LEAST_SLOPES = 1.2  # the 18 pairs that gained had 2.5 and more


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


class OtherSunTold(NamedTuple):
    """What a report says of an image under another sun.

    Attributes:
        reason: Why it adds nothing; None = it does.
        explained: As `ShadingTold`.
        width_px: As `ShadingTold`.
        shift_px: How far right and down it was found from where its pose puts it, pixels of the
            view; it was moved back.
    """

    reason: str | None
    explained: float
    width_px: float
    shift_px: tuple[float, float]


class ShadingTold(NamedTuple):
    """What a report says of the shading.

    Attributes:
        reason: Why the pair's brightness adds nothing; None = it does.
        explained: Share of the brightness' variance that slopes explain in blocks of the view on
            which the light was not fitted.
        width_px: Sigma of the mean that is taken from the brightness, pixels of the view: much
            longer waves are stereo's alone. 0 = off.
        other_suns: Of the images under other suns, in their order.
    """

    reason: str | None
    explained: float
    width_px: float
    other_suns: tuple[OtherSunTold, ...] = ()


class _Added:
    """What one light adds.

    Attributes:
        tilt: What its brightness says.
        noise: Of it.
        residual: (H, W) of the surface, less its mean around.
    """

    def __init__(self, tilt: Tilt, noise: Noise, residual: Field) -> None:
        self.tilt, self.noise = tilt, noise
        self._weight = tilt.information / max(float(tilt.information.max()), 1e-30)
        self._total = np.maximum(blurred(self._weight, noise.width_px), np.float32(0.05))
        self.residual = self.without_long(residual)

    def without_long(self, residual: Field) -> Field:
        """Less its mean around, over what counts."""
        mean = blurred(residual * self._weight, self.noise.width_px)
        mean /= self._total
        return np.asarray(residual - mean, np.float32)


@dataclass(frozen=True)
class Shading:
    """What brightness adds to a plate.

    Attributes:
        departure: (h, w) of the surface with it.
        told: For the report.
    """

    departure: Field
    told: ShadingTold
    _plate: TiltedPlate | None = None
    _added: tuple[_Added, ...] = ()
    _noise: tuple[Callable[[], Field], ...] = ()

    @property
    def adds(self) -> bool:
        """Whether the surface is another one than without."""
        return self._plate is not None

    def of_draws(self, draws: Field) -> Field:
        """Errors that are left of a plate's errors, (N, h, w); seeded.

        Each is corrected as the surface was: by the brightness that it would leave, with noise.
        The second half of the draws are the first one's with the other sign, and stay so.

        Args:
            draws: As many as `shade` was told.
        """
        if self._plate is None:
            return draws
        plate, added = self._plate, self._added
        count = len(draws) // 2

        def rest_of(each: tuple[Field, Callable[[], Field]]) -> Field:
            error, noise = each
            asked = []
            for one, of_noise in zip(added, noise()):  # noqa: B905 - some lights may add nothing
                left = of_noise * np.float32(np.sqrt(one.noise.variance))
                left += one.without_long(-one.tilt.of(error))
                asked.append(left)
            return np.asarray(error + plate.correction(asked, _DRAW_ITERATIONS), np.float32)

        parts = zip(draws[: len(draws) - count], self._noise, strict=True)
        left = np.empty_like(draws)
        for place, rest in enumerate(at_once(rest_of, parts)):
            left[place] = rest
        np.negative(left[:count], out=left[len(draws) - count :])
        return left


class _Source:
    """Images under one sun: the pair's two, or one under another."""

    def __init__(self, images: tuple[LitImage, ...], known: NDArray[np.bool_]) -> None:
        self.images = images
        self.chosen = known & np.logical_and.reduce([image.lit for image in images])
        self.reason: str | None = None
        self.explained = self.width_px = 0.0
        self._finest: bool | None = None
        self.shift_px = 0.0, 0.0
        if np.count_nonzero(self.chosen) < LEAST_LIT:
            self.reason = _TOO_LITTLE

    def explain(self, ground: Ground) -> None:
        """Whether the slopes do."""
        if self.reason is not None:
            return
        self.explained = held_out(self.images[0].grey, ground, self.chosen)
        if self.explained < _LEAST_EXPLAINED:
            self.reason = "the brightness does not follow the slopes"

    def add(
        self, ground: Ground, known: NDArray[np.bool_], focal: tuple[float, float], share: Field
    ) -> _Added | None:
        """What it says beside a surface."""
        if self.reason is not None:
            return None
        seen = residual_of(self.images, ground, self.chosen, focal)
        noise = measure_noise(
            seen.residual, seen.differs, seen.weight * known, seen.right, seen.down, self._finest
        )
        if self.width_px == 0:  # the first time
            if noise is None:
                self.reason = _TOO_LITTLE
            elif max(noise.slopes) < _LEAST_SLOPES:
                self.reason = "what the slopes leave of the brightness is no slope"
        if noise is None or self.reason is not None:
            return None
        self._finest = noise.finest
        self.width_px = 2 * noise.width_px
        tilt = Tilt(seen.right * share, seen.down * share, seen.weight / np.float32(noise.variance))
        return _Added(tilt, noise, seen.residual)


def shade(
    view: View,
    warped: Field,
    inside: NDArray[np.bool_],
    plated: Plated,
    others: Sequence[OtherLight] = (),
    draws: int = 0,
) -> Shading:
    """Add what brightness says of the slopes.

    Args:
        view: That was refined, (H, W).
        warped: (H, W) grey levels of the other image through the surface.
        inside: (H, W) where that image shows the ground.
        plated: The surface before.
        others: Images under other suns through the surface.
        draws: How many errors `Shading.of_draws` will be given.
    """
    shape = 1 + len(others), *(side - 1 for side in plated.departure.shape)
    noise = tuple(begun(partial(_noise_of, seed, shape)) for seed in range(-(-draws // 2)))
    small = view.halved()
    rays = small.rays()
    x, y = (corners(np.ascontiguousarray(rays[..., i])) for i in range(2))
    known = corners(plated.decided.astype(np.float32)) > 0.9
    focal = small.intrinsics.fx, small.intrinsics.fy
    departure = plated.departure
    ground = _ground(plated.prior, departure, focal, x, y)
    pair = (
        lit_image(view.grey.astype(np.float32, copy=False), view.valid),
        lit_image(warped, inside),
    )
    sources = [_Source(pair, known)]
    for other in others:
        image, shift = other.registered(ground, known)
        sources.append(_Source((image,), known))
        sources[-1].shift_px = shift
    for source in sources:
        source.explain(ground)
    plate: TiltedPlate | None = None
    added: tuple[_Added, ...] = ()
    for iterations in _ITERATIONS:
        share = corners(np.float32(1) / (1 + departure))
        found = tuple(
            one for one in (source.add(ground, known, focal, share) for source in sources) if one
        )
        if not found:
            break
        added = found
        if all(one.noise.narrow for one in added):
            iterations = Iterations(iterations.finest)
        tilts = [one.tilt for one in added]
        plate = TiltedPlate(plated.weight, plated.compliance, plated.stiffness, tilts)
        taken = departure - plated.departure
        correction = plate.correction([one.residual for one in added], iterations, taken)
        departure = np.maximum(departure + correction, LEAST_DEPARTURE)
        ground = _ground(plated.prior, departure, focal, x, y)
    first, *rest = sources
    told = ShadingTold(
        first.reason,
        first.explained,
        first.width_px,
        tuple(OtherSunTold(s.reason, s.explained, s.width_px, s.shift_px) for s in rest),
    )
    return Shading(departure, told, plate, added, noise)


def _noise_of(seed: int, shape: tuple[int, ...]) -> Field:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def _ground(
    prior: Field, departure: Field, focal: tuple[float, float], x: Field, y: Field
) -> Ground:
    right, down = steps(np.log(prior * (1 + departure)))
    return Ground.of(np.float32(focal[0]) * right, np.float32(focal[1]) * down, x, y)
