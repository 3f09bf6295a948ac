"""How bright the ground is for its slope: a light that the pair's own slopes and brightness tell.

Nobody tells the sun. The brightness of one kind of ground is a smooth function of its normal, in a
view of 45 degrees also of the ray: a polynomial of second degree in the normal, with terms of the
ray for the phase, exposure and vignetting, and for how they change the rest. It leaves 1 % of the
variance of rendered and StereoLunar's images (Hapke's and the Lunar-Lambert law) where the slopes
are true; with 14 terms, none of both, it leaves 2 to 8 %.

Convention:
    A surface of inverse depth d has the tilt (p, q) = ∇ ln d by the ray's x and y, and the normal
    (p, q, 1 - x p - y q) at the ray (x, y, 1), away from the camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.products import gram, times
from lunar_runtime.geometry.robust import robust_sigma

_SAMPLES = 6000  # with 3000 one pair of 12 gains 8 % less
_ITERATIONS = 4
_WIDTH_SIGMAS = 2.0  # of the Cauchy weight: albedo and shadows' edges count less
_TERMS = 20
_THIN = 3  # of the samples, one in so many settles how much each counts


class Ground(NamedTuple):
    """A surface as its brightness sees it.

    Attributes:
        a: (H, W) x of the unit normal.
        b: (H, W) y.
        c: (H, W) z.
        length: (H, W) of the normal as in the convention.
        x: (H, W) of the ray.
        y: (H, W) of the ray.
    """

    a: Field
    b: Field
    c: Field
    length: Field
    x: Field
    y: Field

    @classmethod
    def of(cls, p: Field, q: Field, x: Field, y: Field) -> Ground:
        """From the tilt; see the module."""
        c = 1 - x * p - y * q
        length = np.sqrt(p * p + q * q + c * c)
        return cls(p / length, q / length, c / length, length, x, y)

    def at(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Ground:
        """Some of its pixels, (N,)."""
        return Ground(*(values.ravel()[chosen] for values in self))

    def terms(self) -> list[Field]:
        """What the brightness is a sum of."""
        a, b, c, _, x, y = self
        return [
            np.ones_like(a), a, b, c, a * b, a * c, b * c, a * a - b * b, c * c,
            x, y, x * x, x * y, y * y, x * a, x * b, y * a, y * b, x * c, y * c,
        ]  # fmt: skip


class Light(NamedTuple):
    """A light that was fitted.

    Attributes:
        coefficients: (20,) of `Ground.terms`.
    """

    coefficients: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        brightness: Field,
        ground: Ground,
        chosen: NDArray[np.bool_],
        samples: int = _SAMPLES,
    ) -> Light:
        """The light under which slopes have their brightness.

        Args:
            brightness: (H, W) any unit.
            ground: (H, W) with its slopes.
            chosen: (H, W) where both are known, at least 20.
            samples: Of these, at most twice as many.
        """
        at = np.flatnonzero(chosen.ravel())
        at = at[:: max(1, len(at) // samples)]
        A = np.stack(ground.at(at).terms()).astype(np.float64)
        b = brightness.ravel()[at].astype(np.float64)
        return cls(_robust_fit(A, b).astype(np.float32))

    def brightness(self, ground: Ground) -> Field:
        """(H, W) of a surface."""
        total = np.zeros_like(ground.a)
        for share, term in zip(self.coefficients, ground.terms(), strict=True):
            total += share * term
        return total

    def by_tilt(self, ground: Ground) -> tuple[Field, Field]:
        """(H, W) changes of the brightness by p and by q."""
        C = self.coefficients
        a, b, c, length, x, y = ground
        by_a = C[1] + C[4] * b + C[5] * c + 2 * C[7] * a + C[14] * x + C[16] * y
        by_b = C[2] + C[4] * a + C[6] * c - 2 * C[7] * b + C[15] * x + C[17] * y
        by_c = C[3] + C[5] * a + C[6] * b + 2 * C[8] * c + C[18] * x + C[19] * y
        # A change D of the normal turns the unit normal n by (D - n (n · D)) / length.
        along = a * by_a + b * by_b + c * by_c
        by_p = (by_a - x * by_c - along * (a - x * c)) / length
        by_q = (by_b - y * by_c - along * (b - y * c)) / length
        return by_p, by_q


def _robust_fit(A: Floats, b: Floats) -> Floats:
    """Iteratively reweighted least squares of (K, N) terms under a Cauchy weight."""
    size = np.maximum(np.abs(A).max(axis=1), 1e-30)
    scaled = A / size[:, None]
    some, of_some = np.ascontiguousarray(scaled[:, ::_THIN]), b[::_THIN]
    weighted = some
    for left in range(_ITERATIONS - 2, -1, -1):
        solution = _least_squares(weighted, some, of_some)
        if not left:  # the last weights are of all
            some, of_some = scaled, b
        residual = times(solution, some)
        residual -= of_some
        residual /= _WIDTH_SIGMAS * robust_sigma(residual) + 1e-30
        np.square(residual, out=residual)
        residual += 1
        weighted = some / residual
    solution = _least_squares(weighted, scaled, b)
    return np.asarray(solution / size)


def _least_squares(weighted: Floats, scaled: Floats, b: Floats) -> Floats:
    product = gram(weighted.T, scaled.T)
    return np.asarray(np.linalg.lstsq(product, gram(weighted.T, b), rcond=1e-10)[0])
