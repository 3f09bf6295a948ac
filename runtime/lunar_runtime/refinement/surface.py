"""What goes into the refinement of a view, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.prior import Prior
from lunar_runtime.refinement.shading import ShadingTold


@dataclass(frozen=True)
class NetworkGuess:
    """What the network says of the pair, on the refinement's grid.

    Attributes:
        inverse_depth: (H, W) 1 / Z of the left view in the network's unit; NaN = invalid.
        pose: The right camera's, from the right pointmap; None without one.
        descriptors: (h, w, D) of both images, on the network's grid, or None.
    """

    inverse_depth: Field
    pose: RelativePose | None = None
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


class GivenPose(NamedTuple):
    """The pose that a rig tells.

    Attributes:
        pose: The right camera's.
        held: Take it as it is, if the images bear it out.
        sigma_deg: Standard deviations of its rotation and of its baseline's direction.
        by_cameras: (5, 5) radians², by how much more the images' pose may differ from it, as they
            are seen through cameras that err; None = through right ones.
    """

    pose: RelativePose
    held: bool
    sigma_deg: tuple[float, float]
    by_cameras: NDArray[np.float64] | None = None

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(5, 5) of its moves, radians²: alike about every axis, and both ways aside."""
        turn, aside = np.radians(self.sigma_deg)
        own = np.diag([turn**2 / 3] * 3 + [aside**2 / 2] * 2)
        return own if self.by_cameras is None else own + self.by_cameras


class Round(NamedTuple):
    """What one round of flow leaves for the next, on the plate's grid: half of the view's.

    Attributes:
        surface: (h, w) inverse depth, baseline / Z.
        prior: That it departs from.
        slack: (h, w) of the plate; see `PlateSolution`.
    """

    surface: Field
    prior: Prior
    slack: Field

    @property
    def departure(self) -> Field:
        """(h, w) of the surface from the prior, relative."""
        return self.surface / self.prior.inverse_depth - 1


@dataclass(frozen=True)
class Surface:
    """The refined surface of one view.

    Attributes:
        inverse_depth: (H, W) baseline / Z.
        sigma: (H, W) expected standard deviation of Z, as a fraction of it.
        refined: (H, W) bool, where the images at least halve the prior's uncertainty.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) float32 relative errors of Z, drawn from the posterior.
        prior: What the surface falls back to.
        overlap: Share of the pixels that the surface puts inside the other image.
        correlation: Median local correlation of the two images through the surface.
        unevenness: How much their brightness differs from place to place; see `evenness`.
        hidden: Share of the pixels that both images would show, but for their masks.
        unmatched: Share of the pixels that show detail in both images, another one in each.
        shading: What brightness added.
    """

    inverse_depth: Field
    sigma: Field
    refined: NDArray[np.bool_]
    draws: Field
    prior: Prior
    overlap: float
    correlation: float
    unevenness: float = 0.0
    hidden: float = 0.0
    unmatched: float = 0.0
    shading: ShadingTold | None = None
