"""What the refinement gains: network, geometry alone and both together, against the truth.

Beside them the plane null, and classical stereo that is *told* the true pose (rectification and
semi-global matching), which is what a careful engineer would write without this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import NotRefinedError, StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.epipolar import EpipolarField, RelativePose
from lunar_runtime.geometry.fields import resized
from lunar_runtime.geometry.slope import surface_normals
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.dense_match import measure_flow
from numpy.typing import NDArray

from lunar_bench.accuracy.window_matching import semi_global_points
from lunar_bench.record.machine import Machine
from lunar_bench.refinement.figures import MIN_PIXELS, Figures, Truth
from lunar_bench.sensors.machine import describe_machine

METHODS = ("null", "sgbm", "network", "geometry", "unsmoothed", "fused")
REGIONS = ("all", "inside", "outside")


class PairResult(msgspec.Struct, frozen=True):
    """One pair: method -> region -> figures.

    Regions are `all`, `inside` (where the images decide the fused result) and `outside`; every
    method is aligned to the truth on each of them anew. Methods are `null`, `sgbm`, `network`,
    `geometry`, `unsmoothed` (the flow's depths before the plate) and `fused`; a method that gave
    nothing is absent, and so is a region of less than 2000 pixels.

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
    """All pairs of a source.

    Attributes:
        data: What pairs.
        bundle_digest: SHA-256 of its manifest.
        medians: Over the pairs, as `PairResult.figures`.
        pairs: Each one.
        machine: Where.
    """

    data: str
    bundle_digest: str
    medians: dict[str, dict[str, Figures]]
    pairs: list[PairResult]
    machine: Machine


def measure_refinement(
    bundle: Path | None,
    pairs: Iterable[KnownPair],
    data: str,
    tell: Callable[[PairResult], None] = lambda _: None,
) -> RefinementAccuracy:
    """Run every method on every pair.

    Args:
        bundle: Of the network; None = the one in the package.
        pairs: At least one.
        data: What they are, in words.
        tell: Told every pair's result.

    Raises:
        InputError: There is no pair, or one cannot be read.
    """
    done: list[PairResult] = []
    machine = describe_machine()
    with StereoRuntime.load(bundle) as runtime:
        for pair in pairs:
            done.append(measure_pair(runtime, pair))
            tell(done[-1])
        if not done:
            raise InputError(f"{data}: there is no pair to measure")
        return RefinementAccuracy(data, runtime.bundle.digest, _medians(done), done, machine)


def measure_pair(
    runtime: StereoRuntime, pair: KnownPair, methods: tuple[str, ...] = METHODS
) -> PairResult:
    """Run methods on a pair.

    Args:
        runtime: Of the network.
        pair: With its truth; its cameras are given to every method, its pose to `sgbm` alone.
        methods: Of `METHODS`.
    """
    fused = runtime.infer(pair.left, pair.right, intrinsics=pair.camera_left, refine="auto")
    assert fused.network is not None and fused.refinement is not None
    truth = Truth(pair)
    view = fused.views["left"]
    inside = np.zeros_like(truth.known) if view.refined is None else truth.known & view.refined
    regions = {"all": truth.known, "inside": inside, "outside": truth.known & ~inside}
    figures: dict[str, dict[str, Figures]] = {}
    for method, points in _pointmaps(fused, pair, truth, methods):
        found = truth.figures(points, regions)
        if found:
            figures[method] = found
    if not fused.refinement.done:
        return PairResult(pair.name, fused.refinement.reason, figures)
    assert fused.pose is not None
    true_t, found_t = pair.right_from_left[:3, 3], fused.pose.right_from_left[:3, 3]
    metres = fused.pointmap_left[..., 2] * float(np.linalg.norm(true_t) / np.linalg.norm(found_t))
    R = fused.pose.right_from_left[:3, :3] @ pair.right_from_left[:3, :3].T
    # Narrow overlaps can leave nothing that the images decide.
    decided = np.count_nonzero(inside) >= MIN_PIXELS
    honest = _honesty(fused, truth, inside) if decided else (None, [], None)
    return PairResult(
        pair=pair.name,
        reason=None,
        figures=figures,
        inside_fraction=float(np.mean(inside)),
        rotation_error_deg=float(np.degrees(np.arccos(np.clip((np.trace(R) - 1) / 2, -1, 1)))),
        scale_error=float(np.median(metres[inside] / pair.depth[inside])) - 1 if decided else None,
        epipolar_px=fused.refinement.epipolar_px,
        error_per_sigma=honest[0],
        error_by_sigma=honest[1],
        slope_error_per_sigma=honest[2],
        refine_ms=sum(v for k, v in fused.timings_ms.items() if k not in ("network", "read")),
    )


def _pointmaps(
    fused: StereoResult, pair: KnownPair, truth: Truth, methods: tuple[str, ...]
) -> Iterator[tuple[str, NDArray[np.floating]]]:
    assert fused.network is not None and fused.refinement is not None
    for method in methods:
        if method == "null":
            yield method, truth.plane()
        elif method == "network":
            size = pair.left.shape[1], pair.left.shape[0]
            grown = cv2.resize(fused.network.pointmap_left, size, interpolation=cv2.INTER_LINEAR)
            yield method, np.asarray(grown, float)
        elif method == "fused":
            yield method, fused.pointmap_left
        elif method == "unsmoothed" and fused.refinement.done:
            yield method, _unsmoothed(fused, pair)
        elif method == "sgbm":
            yield method, semi_global_points(pair)
        elif method == "geometry":
            try:
                alone = infer_geometry_only(pair.left, pair.right, intrinsics=pair.camera_left)
                yield method, alone.pointmap_left
            except NotRefinedError:
                continue


def _medians(pairs: list[PairResult]) -> dict[str, dict[str, Figures]]:
    medians: dict[str, dict[str, Figures]] = {}
    for method in METHODS:
        for region in REGIONS:
            found = [
                pair.figures[method][region]
                for pair in pairs
                if region in pair.figures.get(method, {})
            ]
            if found:
                columns = zip(*(msgspec.structs.astuple(figure) for figure in found), strict=True)
                medians.setdefault(method, {})[region] = Figures(*map(_median, columns))
    return medians


def _median(values: Sequence[float | None]) -> Any:
    """None if one of them is: a median of others would be that of other pairs."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if len(known) == len(values) else None


def _honesty(
    fused: StereoResult, truth: Truth, inside: NDArray[np.bool_]
) -> tuple[float, list[float], float]:
    """Errors over what was expected: of depth, by quarters, and of slope."""
    view = fused.views["left"]
    assert view.depth_sigma is not None and view.slope_sigma is not None
    alignment = truth.align(fused.pointmap_left, inside)
    aligned = alignment.apply(fused.pointmap_left[inside])
    error = np.abs(aligned[:, 2] / truth.points[inside][:, 2] - 1)
    sigma = (view.depth_sigma / view.depth)[inside]
    quarters = np.digitize(sigma, np.quantile(sigma, [0.25, 0.5, 0.75]))
    by_sigma = [float(np.median(error[quarters == i])) for i in range(4)]
    slope_error = truth.slope_error(surface_normals(fused.pointmap_left), alignment)
    usable = inside & np.isfinite(slope_error)
    ratio = np.sqrt(np.mean(slope_error[usable] ** 2) / np.mean(view.slope_sigma[usable] ** 2))
    return float(np.median(error / sigma)) / 0.6745, by_sigma, float(ratio)


def _unsmoothed(fused: StereoResult, pair: KnownPair) -> NDArray[np.floating]:
    """The depths of one more round of optical flow, pixel by pixel."""
    assert fused.pose is not None
    t = fused.pose.right_from_left[:3, 3]
    baseline = float(np.linalg.norm(t))
    pose = RelativePose(fused.pose.right_from_left[:3, :3], t / baseline)
    views = pair.views().floating()
    small = Pair(views.left.halved(), views.right)
    field = EpipolarField.of(small, pose)
    surface = np.asarray(baseline / fused.pointmap_left[..., 2], np.float32)
    flow = measure_flow(views, pose, surface)
    d = np.where(flow.trust > 0, field.triangulate(flow.u, flow.v), np.nan)
    grown = resized(np.where(d > 0, d, np.nan).astype(np.float32), surface.shape)
    return views.left.rays() / grown[..., None]
