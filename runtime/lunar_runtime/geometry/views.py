"""One image and the camera that took it; two of them are a pair.

These are the values that travel from the images to the result. Both images of a pair are on grids
of their own cameras: intrinsics are in pixels of the image beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.fields import Field, half


class CameraEstimate(NamedTuple):
    """Intrinsics, and where they came from.

    Attributes:
        intrinsics: In pixels of the grid at hand.
        source: `option`, `rig`, `estimated` (from the pair's matches) or `nominal` (the network's
            word, which knows one camera only); with ` (left)` where the left camera's were taken
            for the right one.
    """

    intrinsics: Intrinsics
    source: str


class OtherView(NamedTuple):
    """An image of the same ground under another sun.

    Attributes:
        grey: (h, w) uint8 grey levels, of a size of its own.
        intrinsics: Of its camera, in pixels of `grey`.
        R: (3, 3) rotation of points from the view's camera into this one.
        t: (3,) translation after it, in baselines of the pair.
    """

    grey: NDArray[Any]
    intrinsics: Intrinsics
    R: NDArray[np.float64]
    t: NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """An image and its camera.

    Attributes:
        grey: (H, W) uint8 grey levels, or float32 ones.
        camera: In pixels of `grey`.
        valid: (H, W) bool, False where a pixel is no measurement; None = all are.
        specks: (H, W) bool, single pixels of `valid` that are none either, and were filled from
            those beside them; None = none.
        focal_sigma: What the told focal length may be off by, relative; None = nobody said.
        others: Images of the same ground under other suns, whose poses are known.
    """

    grey: NDArray[Any]
    camera: CameraEstimate
    valid: NDArray[np.bool_] | None = None
    specks: NDArray[np.bool_] | None = None
    focal_sigma: float | None = None
    others: tuple[OtherView, ...] = ()

    @property
    def intrinsics(self) -> Intrinsics:
        """Of the camera, in pixels of `grey`."""
        return self.camera.intrinsics

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.grey.shape
        return height, width

    @property
    def measured(self) -> NDArray[np.bool_] | None:
        """(H, W) bool, what may have a result: `valid` without its specks; None = everything."""
        return (
            self.valid if self.valid is None or self.specks is None else self.valid & ~self.specks
        )

    def rays(self) -> Field:
        """(H, W, 3) directions through the pixels, scaled to z = 1; see `pixel_rays`."""
        return pixel_rays(self.intrinsics, *self.shape)

    def floating(self) -> View:
        """The same with float32 grey levels."""
        return replace(self, grey=self.grey.astype(np.float32, copy=False))

    def halved(self) -> View:
        """The same at half the resolution, in float32: means of two by two pixels.

        A pixel is valid where all that it is the mean of are.
        """
        height, width = self.shape
        small = half(self.grey.astype(np.float32, copy=False))
        camera = self.intrinsics.scaled(small.shape[1] / width, small.shape[0] / height)
        valid = None if self.valid is None else half(self.valid.astype(np.float32)) == 1
        return replace(
            self,
            grey=small,
            camera=self.camera._replace(intrinsics=camera),
            valid=valid,
            specks=None,
        )


@dataclass(frozen=True)
class Pair:
    """The two views of a scene."""

    left: View
    right: View

    def swapped(self) -> Pair:
        """The right view first."""
        return Pair(self.right, self.left)

    def with_focal(self, ratio: float, source: str) -> Pair:
        """Both with focal lengths `ratio` times as long, principal points where they are."""
        return Pair(_with_focal(self.left, ratio, source), _with_focal(self.right, ratio, source))

    def floating(self) -> Pair:
        """Both with float32 grey levels."""
        return Pair(self.left.floating(), self.right.floating())

    def halved(self) -> Pair:
        """Both at half the resolution, in float32."""
        return Pair(self.left.halved(), self.right.halved())


def _with_focal(view: View, ratio: float, source: str) -> View:
    k = view.intrinsics
    camera = Intrinsics(k.fx * ratio, k.fy * ratio, k.cx, k.cy)
    return replace(view, camera=CameraEstimate(camera, source))
