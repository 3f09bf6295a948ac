"""What a camera saw, and what is true of it: one view, and two of one scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import PairSpec


@dataclass(frozen=True)
class RenderedView:
    """One camera's image and truth, rendered here or read from StereoLunar's frames.

    Attributes:
        image: (H, W) uint8.
        depth_m: (H, W) float32 Z-depth at pixel centres, metres; NaN where there is no ground.
        intrinsics: 3x3 float64, pixel centres at +0.5.
        cam2world: 4x4 float64, metres, OpenCV axes.
    """

    image: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    intrinsics: NDArray[np.float64]
    cam2world: NDArray[np.float64]


@dataclass(frozen=True)
class ViewPair:
    """Two views of one scene."""

    left: RenderedView
    right: RenderedView

    @property
    def right_from_left(self) -> NDArray[np.float64]:
        """4x4 that maps left-camera points into the right camera, metres."""
        return pinhole.invert(self.right.cam2world) @ self.left.cam2world


@dataclass(frozen=True)
class RenderedPair(ViewPair):
    """Two views of one scene, and what made them."""

    spec: PairSpec
