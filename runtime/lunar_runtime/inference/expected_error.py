"""How good refined points are expected to be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import resized

_LEAST_LEFT = 0.04  # of a variance, where a shared error takes the rest


class ExpectedError(NamedTuple):
    """How good refined points are expected to be.

    Attributes:
        sigma: (H, W) float32 standard deviation of Z, as a fraction of it.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) float32 relative errors of Z, drawn from the posterior.
        refined: (H, W) bool, where the images decide; elsewhere the prior does.
        focal_sigma: Relative error of a focal length that nobody told, which `sigma` and `draws`
            contain.
        metres_sigma: Relative error of all depths by a told focal length, which they do not: it is
            one of metres that stand on a baseline.
    """

    sigma: NDArray[np.float32]
    draws: NDArray[np.float32]
    refined: NDArray[np.bool_]
    focal_sigma: float = 0.0
    metres_sigma: float = 0.0

    def rescaled(self, errors: NDArray[np.floating]) -> ExpectedError:
        """The same where the depths were divided by a length with errors of its own.

        Args:
            errors: (N,) relative, of that length in every draw.
        """
        by_draw = np.asarray(errors, np.float32)
        draws = self.draws - by_draw[:, None, None]
        together = np.zeros_like(self.draws[0])
        for error, draw in zip(by_draw, self.draws, strict=True):
            together += (error / np.float32(len(by_draw))) * draw
        change = resized(np.mean(by_draw**2) - 2 * together, _twice(self.draws.shape[1:]))
        height, width = self.sigma.shape
        square = self.sigma**2 + change[:height, :width]
        # What each pixel errs by alone stays, and with it a sigma above zero.
        sigma = np.sqrt(np.maximum(square, np.float32(_LEAST_LEFT) * self.sigma**2))
        return self._replace(sigma=np.asarray(sigma, np.float32), draws=draws)

    def by_baseline(self) -> ExpectedError:
        """The same of depths in metres, where a baseline makes them."""
        sigma = np.hypot(self.sigma, np.float32(self.metres_sigma))
        return self._replace(sigma=np.asarray(sigma, np.float32))

    def shared(self) -> float:
        """Relative error of the draws that all depths have in common.

        Of those that the images decide, where there are any: beyond, the prior's own error grows
        with the distance, which is none of the scale.
        """
        thin = self.draws[:, ::4, ::4]
        decided = self.refined[::8, ::8]
        chosen = thin[:, decided if decided.any() else ~decided]
        return float(np.sqrt(np.mean(np.mean(chosen, axis=1) ** 2)))


def _twice(shape: tuple[int, ...]) -> tuple[int, int]:
    return 2 * shape[0], 2 * shape[1]
