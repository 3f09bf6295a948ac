"""The ways from a pair to its points that are compared, each with what it is told.

Ours are told the cameras, and find pose and plane. The window matchers are told both, and their
disparities are smoothed by each of `SMOOTHINGS_PX`: whichever is best counts, so that none loses by
a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime, infer_geometry_only
from lunar_runtime.inference.options import InferOptions, Refine
from numpy.typing import NDArray

from lunar_bench.accuracy.rectified import RectifiedPair
from lunar_bench.accuracy.window_matching import Matcher, inverse_search, sgbm, smoothed

Name = Literal["ours", "geometry only", "network only", "SGBM", "SGBM 2x", "DIS", "DIS 2x"]
NAMES: tuple[Name, ...] = (
    "ours", "geometry only", "network only", "SGBM", "SGBM 2x", "DIS", "DIS 2x"
)  # fmt: skip
#: Of a window matcher's disparities: standard deviation of a Gaussian, image pixels.
SMOOTHINGS_PX = (2.0, 4.0, 6.0)

#: Points by smoothing, 0 where there is none: (H, W, 3), left camera's frame, NaN = nothing.
Points = dict[float, NDArray[Any]]


class Peer(NamedTuple):
    """One way.

    Attributes:
        name: For a table.
        told: What it is told of the pair.
        run: One pair to its points, through to triangulation with one smoothing: what is timed.
        smoothed: The same with every smoothing.
    """

    name: Name
    told: str
    run: Callable[[KnownPair], NDArray[Any]]
    smoothed: Callable[[KnownPair], Points]


def peers(runtime: StereoRuntime) -> dict[Name, Peer]:
    """All of them, by name, in the order of a table."""
    found = [
        _ours("ours", partial(_infer, runtime, "auto")),
        _ours("geometry only", _geometry),
        _ours("network only", partial(_infer, runtime, "off")),
    ]
    windows: tuple[tuple[Name, Matcher, int], ...] = (
        ("SGBM", sgbm, 1),
        ("SGBM 2x", sgbm, 2),
        ("DIS", inverse_search, 1),
        ("DIS 2x", inverse_search, 2),
    )
    for name, matcher, finer in windows:
        all_of_them = partial(_matched, matcher, finer, SMOOTHINGS_PX)
        one = partial(_one, matcher, finer)
        found.append(Peer(name, "cameras, pose, plane", one, all_of_them))
    return {peer.name: peer for peer in found}


def _ours(name: Name, run: Callable[[KnownPair], NDArray[Any]]) -> Peer:
    return Peer(name, "cameras", run, lambda pair: {0.0: run(pair)})


def _infer(runtime: StereoRuntime, refine: Refine, pair: KnownPair) -> NDArray[Any]:
    result = runtime.infer(
        pair.left,
        pair.right,
        intrinsics=pair.camera_left,
        refine=refine,
        longest_px=_all_pixels(pair),
    )
    return result.pointmap_left


def _geometry(pair: KnownPair) -> NDArray[Any]:
    """The images alone.

    Raises:
        InputError: They do not give the geometry.
    """
    result = infer_geometry_only(
        pair.left, pair.right, intrinsics=pair.camera_left, longest_px=_all_pixels(pair)
    )
    return result.pointmap_left


def _all_pixels(pair: KnownPair) -> int:
    height, width = pair.left.shape
    return int(max(InferOptions.longest_px, height, width))


def _matched(
    matcher: Matcher,
    finer: int,
    smoothings_px: tuple[float, ...],
    pair: KnownPair,
) -> Points:
    rectified = RectifiedPair.of(pair, finer)
    disparity = matcher(rectified)
    return {sigma: rectified.points(smoothed(disparity, sigma * finer)) for sigma in smoothings_px}


def _one(matcher: Matcher, finer: int, pair: KnownPair) -> NDArray[Any]:
    return _matched(matcher, finer, SMOOTHINGS_PX[:1], pair)[SMOOTHINGS_PX[0]]
