"""What the refinement gains: network, geometry alone and both together, against the truth.

Beside them the plane null, and classical stereo that is *told* the true pose (rectification and
semi-global matching), which is what a careful engineer would write without this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
from lunar_runtime import NotRefinedError, StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.accuracy import measure_accuracy, plane_null, true_pointmap
from lunar_runtime.cameras import Intrinsics, pixel_rays
from lunar_runtime.dense_match import measure_flow
from lunar_runtime.epipolar import EpipolarField, RelativePose
from lunar_runtime.plane import fit_plane
from lunar_runtime.slope import slope_deg
from numpy.typing import NDArray

from lunar_bench.known_pairs import KnownPair
from lunar_bench.machine import Machine, describe_machine
from lunar_bench.semi_global import semi_global_points

_RIM_QUANTILE = 0.9
_MIN_PIXELS = 2000  # of a region, for its figures to mean something


class Figures(msgspec.Struct, frozen=True):
    """One method on one region of one pair.

    Attributes:
        absrel: Median relative error of depth after similarity alignment.
        slope_mae_deg: At sigma = 2 px.
        rim_mae_deg: The same where the true slope is in its top decile.
        coverage: Share of the region's pixels that have a depth.
    """

    absrel: float
    slope_mae_deg: float
    rim_mae_deg: float
    coverage: float


class PairResult(msgspec.Struct, frozen=True):
    """One pair: method -> region -> figures.

    Regions are `all`, `inside` (where the images decide the fused result) and `outside`. Methods
    are `null`, `network`, `geometry`, `fused`, `unsmoothed` (the flow's depths before the plate)
    and `sgbm`; a method that gave nothing is absent.

    Attributes:
        pair: Its name.
        reason: Why it was not refined; None = it was.
        figures: See above.
        inside_fraction: Of the pixels.
        rotation_error_deg: Of the refined pose.
        scale_error: Of the fused result's metres from the true baseline, a fraction.
        epipolar_px: As reported.
        error_per_sigma: Median |error| / 0.6745 over the expected sigma, inside; 1 = honest.
        error_by_sigma: Median |relative error| in the quarters of the pixels by expected sigma.
        slope_error_per_sigma: RMS slope error over RMS expected slope sigma, inside.
        refine_ms: Time of everything besides the network.
    """

    pair: str
    reason: str | None
    figures: dict[str, dict[str, Figures]]
    inside_fraction: float = 0.0
    rotation_error_deg: float | None = None
    scale_error: float | None = None
    epipolar_px: float | None = None
    error_per_sigma: float | None = None
    error_by_sigma: list[float] = []
    slope_error_per_sigma: float | None = None
    refine_ms: float | None = None


class RefinementAccuracy(msgspec.Struct, frozen=True):
    """All pairs of a source."""

    data: str
    bundle_digest: str
    pairs: list[PairResult]
    machine: Machine


def measure_refinement(
    bundle: Path | None, pairs: Iterable[KnownPair], data: str
) -> Iterator[tuple[PairResult, RefinementAccuracy]]:
    """Run every method on every pair; yields each pair's result and all so far."""
    done: list[PairResult] = []
    machine = describe_machine()
    with StereoRuntime.load(bundle) as runtime:
        for pair in pairs:
            done.append(_measure(runtime, pair))
            digest = runtime.bundle.digest
            yield done[-1], RefinementAccuracy(data, digest, list(done), machine)


def _measure(runtime: StereoRuntime, pair: KnownPair) -> PairResult:
    baseline_m = float(np.linalg.norm(pair.right_from_left[:3, 3]))
    fused = runtime.infer(pair.left, pair.right, intrinsics=pair.camera_left, refine="auto")
    assert fused.network is not None and fused.refinement is not None
    size = pair.left.shape[1], pair.left.shape[0]
    maps: dict[str, NDArray[np.floating]] = {
        "network": np.asarray(
            cv2.resize(fused.network.pointmap_left, size, interpolation=cv2.INTER_LINEAR), float
        ),
        "fused": fused.pointmap_left,
    }
    maps["sgbm"] = semi_global_points(pair)
    try:
        alone = infer_geometry_only(pair.left, pair.right, intrinsics=pair.camera_left)
        maps["geometry"] = alone.pointmap_left
    except NotRefinedError:
        pass
    refined = fused.views["left"].refined
    known = np.isfinite(pair.depth) & (pair.depth > 0)
    inside = known & refined if refined is not None else np.zeros_like(known)
    if refined is not None:
        maps["unsmoothed"] = _unsmoothed(fused, pair)
    regions = {"all": known, "inside": inside, "outside": known & ~inside}
    figures: dict[str, dict[str, Figures]] = {}
    for name, region in regions.items():
        if np.count_nonzero(region) < _MIN_PIXELS:
            continue
        depth = np.where(region, pair.depth, np.nan)
        null = plane_null(depth, pair.camera_left)
        rims = _slope_errors(_null_map(depth, pair.camera_left), depth, pair)
        figures.setdefault("null", {})[name] = Figures(
            null.absrel_median, null.slope_mae_deg, rims[1], 1.0
        )
        for method, points in maps.items():
            found = _figures(points, depth, pair)
            if found is not None:
                figures.setdefault(method, {})[name] = found
    if not fused.refinement.done:
        return PairResult(pair.name, fused.refinement.reason, figures)
    assert fused.pose is not None
    metres = fused.pointmap_left[..., 2] * (
        baseline_m / float(np.linalg.norm(fused.pose.right_from_left[:3, 3]))
    )
    R = fused.pose.right_from_left[:3, :3] @ pair.right_from_left[:3, :3].T
    honest = _honesty(fused, pair, inside)
    return PairResult(
        pair=pair.name,
        reason=None,
        figures=figures,
        inside_fraction=float(np.mean(inside)),
        rotation_error_deg=float(np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))),
        scale_error=float(np.median(metres[inside] / pair.depth[inside])) - 1,
        epipolar_px=fused.refinement.epipolar_px,
        error_per_sigma=honest[0],
        error_by_sigma=honest[1],
        slope_error_per_sigma=honest[2],
        refine_ms=sum(v for k, v in fused.timings_ms.items() if k not in ("network", "read")),
    )


def _figures(
    points: NDArray[np.floating], depth: NDArray[np.floating], pair: KnownPair
) -> Figures | None:
    covered = np.isfinite(points).all(axis=-1) & np.isfinite(depth)
    if np.count_nonzero(covered) < _MIN_PIXELS:
        return None
    accuracy = measure_accuracy(points, depth, pair.camera_left)
    aligned = accuracy.alignment.apply(points)
    _, rim = _slope_errors(aligned, depth, pair)
    return Figures(accuracy.absrel_median, accuracy.slope_mae_deg, rim, accuracy.coverage)


def _slope_errors(
    aligned: NDArray[np.floating], depth: NDArray[np.floating], pair: KnownPair
) -> tuple[NDArray[np.floating], float]:
    """|slope error| per pixel, and its mean on the steepest tenth of the true ground."""
    true = true_pointmap(depth, pair.camera_left)
    up = fit_plane(true).normal
    slope_true = slope_deg(true, up)
    error = np.abs(slope_deg(aligned, up) - slope_true)
    steep = slope_true >= np.nanquantile(slope_true, _RIM_QUANTILE)
    return error, float(np.nanmean(error[steep]))


def _null_map(depth: NDArray[np.floating], camera: Intrinsics) -> NDArray[np.floating]:
    true = true_pointmap(depth, camera)
    plane = fit_plane(true)
    rays = pixel_rays(camera, *depth.shape).astype(np.float64)
    z = plane.offset / (rays @ plane.normal)
    return np.where((z > 0)[..., None], z[..., None] * rays, np.nan)


def _honesty(
    fused: StereoResult, pair: KnownPair, inside: NDArray[np.bool_]
) -> tuple[float, list[float], float]:
    """Errors over what was expected: of depth, by quarters, and of slope."""
    view = fused.views["left"]
    assert view.depth_sigma is not None and view.slope_sigma is not None
    depth = np.where(inside, pair.depth, np.nan)
    accuracy = measure_accuracy(fused.pointmap_left, depth, pair.camera_left)
    aligned = accuracy.alignment.apply(fused.pointmap_left)
    error = np.abs(aligned[..., 2] / depth - 1)[inside]
    sigma = (view.depth_sigma / view.depth)[inside]
    quarters = np.digitize(sigma, np.quantile(sigma, [0.25, 0.5, 0.75]))
    by_sigma = [float(np.median(error[quarters == i])) for i in range(4)]
    slope_error, _ = _slope_errors(aligned, depth, pair)
    usable = inside & np.isfinite(slope_error)
    ratio = np.sqrt(np.mean(slope_error[usable] ** 2) / np.mean(view.slope_sigma[usable] ** 2))
    return float(np.median(error / sigma)) / 0.6745, by_sigma, float(ratio)


def _unsmoothed(fused: StereoResult, pair: KnownPair) -> NDArray[np.floating]:
    """The depths of one more round of optical flow, pixel by pixel."""
    assert fused.pose is not None
    t = fused.pose.right_from_left[:3, 3]
    baseline = float(np.linalg.norm(t))
    pose = RelativePose(fused.pose.right_from_left[:3, :3], t / baseline)
    field = EpipolarField(pair.camera_left, pair.camera_right, pose, *pair.left.shape)
    surface = np.asarray(baseline / fused.pointmap_left[..., 2], np.float32)
    images = pair.left.astype(np.float32), pair.right.astype(np.float32)
    flow = measure_flow(*images, field, surface)
    d = np.where(flow.trust > 0, field.triangulate(flow.u, flow.v), np.nan)
    return field.rays / np.where(d > 0, d, np.nan)[..., None]
