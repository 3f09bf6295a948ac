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
from lunar_runtime.geometry.least_squares import robust_fit
from lunar_runtime.kernels.library import run

_SAMPLES = 6000  # with 3000 one pair of 12 gains 8 % less
_ITERATIONS = 4
_TERMS = 20
_THIN = 3  # of the samples, one in so many settles how much each counts
_LEAST_PIVOT = 1e-10


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
        return cls(_fitted(A, b).astype(np.float32))

    def brightness(self, ground: Ground) -> Field:
        """(H, W) of a surface."""
        return self.seen(ground)[0]

    def seen(self, ground: Ground) -> tuple[Field, Field, Field]:
        """(H, W) of a surface: its brightness, and changes of it by p and by q."""
        fields = [np.ascontiguousarray(values, np.float32) for values in ground]
        found, by_p, by_q = (np.empty_like(fields[0]) for _ in range(3))
        run("light", self.coefficients, *fields, found.size, found, by_p, by_q)
        return found, by_p, by_q


def _fitted(A: Floats, b: Floats) -> Floats:
    """Coefficients that (K, N) terms add up to the brightness by."""
    some = np.ascontiguousarray(A[:, ::_THIN])
    first = robust_fit(
        some, b[::_THIN], iterations=_ITERATIONS - 1, settled=0, least_pivot=_LEAST_PIVOT
    )
    # The last weights are of all.
    return robust_fit(A, b, start=first, iterations=1, least_pivot=_LEAST_PIVOT)
