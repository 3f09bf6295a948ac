"""A result in metres by a scale that another pair knew, or with the error of a told length."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.scale import Scale, ScaleSource
from lunar_runtime.inference.result import NetworkMaps, StereoResult, ViewResult


def rescaled(
    result: StereoResult,
    factor: float = 1.0,
    sigma: float = 0.0,
    source: ScaleSource | None = None,
) -> StereoResult:
    """Multiply every length, and widen what is expected of their errors.

    Args:
        result: Of any unit.
        factor: On every length.
        sigma: Relative standard deviation of the factor; beside what the result knows already.
        source: What the scale rests on now; None = on what it did, and a relative result stays so.

    Returns:
        The same pair's result. Slopes, confidence and verdict are as they were.
    """
    before = result.scale
    scale = replace(before, sigma=math.hypot(before.sigma or 0.0, sigma))
    if source is not None:
        scale = Scale(before.factor * factor, source, scale.sigma)
    pose, plane, network, right = result.pose, result.plane, result.network, result.pointmap_right
    if pose is not None:
        moved = pose.right_from_left.copy()
        moved[:3, 3] *= factor
        pose = replace(pose, right_from_left=moved)
    return replace(
        result,
        pointmap_left=_times(result.pointmap_left, factor),
        pointmap_right=None if right is None else _times(right, factor),
        views={side: _view(view, factor, sigma) for side, view in result.views.items()},
        scale=scale,
        pose=pose,
        plane=None if plane is None else Plane(plane.normal, plane.offset * factor),
        network=None if network is None else _network(network, factor),
    )


def _view(view: ViewResult, factor: float, sigma: float) -> ViewResult:
    depth, expected, draws = _times(view.depth, factor), view.depth_sigma, view.draws
    if expected is not None:
        expected = np.hypot(_times(expected, factor), depth * np.float32(sigma))
    if draws is not None:
        draws = draws + _shared_errors(len(draws), sigma)[:, None, None]
    return replace(view, depth=depth, depth_sigma=expected, draws=draws)


def _shared_errors(count: int, sigma: float) -> NDArray[np.float32]:
    """(N,) of a normal distribution, as even as so few can be, and of just that deviation."""
    normal = NormalDist()
    even = np.array([normal.inv_cdf((i + 0.5) / count) for i in range(count)])
    deviation = float(np.sqrt(np.mean(even**2)))
    return np.asarray(sigma * even / (deviation or 1.0), np.float32)


def _network(network: NetworkMaps, factor: float) -> NetworkMaps:
    right = network.pointmap_right
    return replace(
        network,
        pointmap_left=_times(network.pointmap_left, factor),
        pointmap_right=None if right is None else _times(right, factor),
    )


def _times(values: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return values if factor == 1.0 else np.asarray(values * np.float32(factor), np.float32)
