"""Metres that go on from pair to pair when nothing tells them any more.

The older frame of a pair may be the newer one of an earlier pair, whose depths in metres are known.
The new pair sees the same ground in its own unit; the ratio of both is its scale. Every such step
adds an error, so that the scale's sigma grows until a pose or an altitude comes again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.pose import transform_points
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.inference.result import StereoResult

#: Frames whose depths are kept.
MOST_MAPS = 4
_THIN = 2
_LEAST_POINTS = 200
# Errors of neighbouring depths are alike: a view holds about so many places that err on their own.
_PLACES = 16
# Where a pose was found that mirrors flat ground, depths are 0.08 to 0.2 off its true shape.
_MOST_SPREAD = 0.03


class MetricMap(NamedTuple):
    """What a frame's pair knew in metres.

    Attributes:
        depth: (H, W) float32 metres where the images decided; NaN elsewhere.
        mapping: From the frame as given to the grid.
        sigma: Relative error that all depths share.
        fixed_s: When a pose or an altitude last fixed the scale.
        world_from_camera: (4, 4) of the frame, or None.
    """

    depth: NDArray[np.float32]
    mapping: GridMapping
    sigma: float
    fixed_s: float
    world_from_camera: NDArray[np.float64] | None


class SameGround(NamedTuple):
    """A pair's ground beside what an earlier pair measured of it.

    Attributes:
        factor: Metres a unit of the pair, by the earlier one.
        sigma: Its relative standard deviation, the earlier scale's included.
        spread: Robust relative deviation of the depths from each other, the scale apart.
        fixed_s: When a pose or an altitude last fixed the earlier scale.
    """

    factor: float
    sigma: float
    spread: float
    fixed_s: float

    @property
    def doubt(self) -> str | None:
        """Why one of the two must be wrong; None = they agree."""
        if self.spread <= _MOST_SPREAD:
            return None
        return (
            f"the ground has another shape than an earlier pair of the stream measured: depths "
            f"differ by {self.spread:.1%}"
        )


class ScaleChain:
    """The metric depths of the last few frames that were the newer one of a pair."""

    def __init__(self) -> None:
        self._maps: OrderedDict[int, MetricMap] = OrderedDict()

    def __contains__(self, number: int) -> bool:
        return number in self._maps

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the frames whose depths are kept."""
        return tuple(self._maps)

    def map_of(self, number: int) -> MetricMap | None:
        """Of a frame; None where it has none, or had one long ago."""
        return self._maps.get(number)

    def remember(
        self,
        number: int,
        result: StereoResult,
        fixed_s: float,
        world_from_camera: NDArray[np.float64] | None,
    ) -> None:
        """Keep a metric result's depths; the oldest map goes."""
        view = result.views["left"]
        known = np.ones(view.depth.shape, np.bool_) if view.refined is None else view.refined
        depth = np.where(known, view.depth, np.float32(np.nan))
        sigma = result.scale.sigma or 0.0
        self._maps[number] = MetricMap(depth, result.mapping, sigma, fixed_s, world_from_camera)
        while len(self._maps) > MOST_MAPS:
            self._maps.popitem(last=False)

    def compare(self, partner: int, result: StereoResult) -> SameGround | None:
        """A result beside what its older frame knew in metres.

        Args:
            partner: Number of the older frame, the result's right image.
            result: Refined, in any unit.

        Returns:
            None where that frame has no metric depths, or too few that both see.
        """
        known = self._maps.get(partner)
        if known is None or result.pose is None or known.mapping != result.mapping_right:
            return None
        points = result.pointmap_left[::_THIN, ::_THIN].reshape(-1, 3)
        refined = result.views["left"].refined
        if refined is not None:
            points = points[refined[::_THIN, ::_THIN].reshape(-1)]
        seen = transform_points(result.pose.right_from_left, points[np.isfinite(points[:, 2])])
        seen = seen[seen[:, 2] > 0]
        camera = result.camera_right.intrinsics
        column = np.floor(camera.fx * seen[:, 0] / seen[:, 2] + camera.cx)
        row = np.floor(camera.fy * seen[:, 1] / seen[:, 2] + camera.cy)
        height, width = known.depth.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        there = known.depth[row[inside].astype(np.intp), column[inside].astype(np.intp)]
        ratio = there / seen[inside, 2]
        ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
        if len(ratio) < _LEAST_POINTS:
            return None
        logs = np.log(ratio)
        middle = float(np.median(logs))
        spread = robust_sigma(logs - middle)
        sigma = math.hypot(known.sigma, spread / math.sqrt(_PLACES))
        return SameGround(math.exp(middle), sigma, spread, known.fixed_s)
