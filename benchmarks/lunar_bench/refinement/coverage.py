"""Whether expected errors are the real ones: how many real errors lie within them, and their order.

Every pair runs in several ways, as its cameras and lengths are told: `rig` (both cameras, pose and
up), `baseline` (intrinsics and the cameras' distance), `altitude` (intrinsics and the height over
the scene's plane). What is told is true, or errs as told numbers do. Depths are metres and are not
aligned; true slopes are measured from gravity, where a pair knows it, else from the true plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane, fit_plane
from lunar_runtime.geometry.slope import slope_deg
from numpy.typing import NDArray

from lunar_bench.accuracy.pose_errors import rotation_error_deg, translation_error_deg
from lunar_bench.accuracy.told_rigs import ToldRig, erring_pair, exact_rig
from lunar_bench.record.machine import Machine
from lunar_bench.refinement.figures import MIN_PIXELS
from lunar_bench.sensors.machine import describe_machine

TOLD = ("rig", "baseline", "altitude")
_RANKED = 5000  # pixels whose order is compared


class Covered(msgspec.Struct, frozen=True):
    """Real errors against expected ones, of one map on one region; means over pairs too.

    Attributes:
        one_sigma: Share of the pixels whose error is within one sigma; 0.68 of a Gaussian.
        two_sigma: Within two; 0.95.
        ratio: Median error over 0.6745 sigmas; 1 = as expected.
        ranking: Spearman's correlation of error and sigma.
    """

    one_sigma: float
    two_sigma: float
    ratio: float
    ranking: float


class PairCoverage(msgspec.Struct, frozen=True):
    """One pair, told in one way.

    Attributes:
        pair: Its name.
        told: Of `TOLD`.
        reason: Why there are no metres, or no result; None = there are.
        maps: `depth inside`, `depth outside`, `slope inside`, `slope outside` of where the images
            decide; a region of less than 2000 pixels is absent.
        verdict: Of the result.
        pose_sigmas: How far the pose is off, of its rotation or of its baseline's direction,
            whichever is more of its own expected errors.
    """

    pair: str
    told: str
    reason: str | None
    maps: dict[str, Covered]
    verdict: str | None = None
    pose_sigmas: float | None = None


class Coverage(msgspec.Struct, frozen=True):
    """All pairs of a source.

    Attributes:
        data: What pairs.
        bundle_digest: SHA-256 of the bundle's manifest.
        erring: Whether what is told errs as told numbers do; else it is true.
        means: How told -> map -> mean over the pairs.
        pairs: Each one, in every way.
        machine: Where.
    """

    data: str
    bundle_digest: str
    erring: bool
    means: dict[str, dict[str, Covered]]
    pairs: list[PairCoverage]
    machine: Machine


def measure_coverage(
    bundle: Path | None,
    pairs: Iterable[KnownPair],
    data: str,
    tell: Callable[[PairCoverage], None] = lambda _: None,
    *,
    erring: bool = False,
) -> Coverage:
    """Run every pair, told in every way.

    Args:
        bundle: Of the network; None = the one in the package.
        pairs: At least one.
        data: What they are, in words.
        tell: Told every result.
        erring: See `Coverage`.

    Raises:
        InputError: There is no pair, or one cannot be read.
    """
    done: list[PairCoverage] = []
    machine = describe_machine()
    with StereoRuntime.load(bundle) as runtime:
        for pair in pairs:
            rig = erring_pair(pair) if erring else exact_rig(pair)
            for told in TOLD:
                done.append(_measure(runtime, pair, told, rig))
                tell(done[-1])
        if not done:
            raise InputError(f"{data}: there is no pair to measure")
        return Coverage(data, runtime.bundle.digest, erring, _means(done), done, machine)


def covered(error: NDArray[np.floating], sigma: NDArray[np.floating]) -> Covered | None:
    """Compare errors with what was expected; None of less than `MIN_PIXELS`.

    Args:
        error: (N,) signed.
        sigma: (N,) expected; pixels without either do not count.
    """
    known = np.isfinite(error) & np.isfinite(sigma) & (sigma > 0)
    size, sigma = np.abs(error[known]), sigma[known]
    if size.size < MIN_PIXELS:
        return None
    z = size / sigma
    step = max(1, size.size // _RANKED)
    return Covered(
        one_sigma=_short(np.mean(z < 1)),
        two_sigma=_short(np.mean(z < 2)),
        ratio=_short(np.median(z) / 0.6745),
        ranking=_short(np.corrcoef(_ranks(size[::step]), _ranks(sigma[::step]))[0, 1]),
    )


def _measure(runtime: StereoRuntime, pair: KnownPair, told: str, rig: ToldRig) -> PairCoverage:
    truth = true_pointmap(pair.depth, pair.camera_left)
    plane = fit_plane(truth)
    up = plane.normal if pair.up_left is None else pair.up_left
    try:
        found = _infer(runtime, pair, told, rig, plane, up)
    except InputError as error:
        return PairCoverage(pair.name, told, str(error), {})
    view = found.views["left"]
    if view.refined is None or view.depth_sigma is None or view.slope_sigma is None:
        reason = None if found.refinement is None else found.refinement.reason
        return PairCoverage(pair.name, told, reason or "not refined", {})
    if found.unit != "m":
        return PairCoverage(pair.name, told, "relative", {})
    maps = {}
    slope = slope_deg(truth, up, found.options.smoothing_px)
    for name, wrong, sigma in (
        ("depth", view.depth - pair.depth, view.depth_sigma),
        ("slope", view.slope - slope, view.slope_sigma),
    ):
        for region, chosen in (("inside", view.refined), ("outside", ~view.refined)):
            one = covered(wrong[chosen], sigma[chosen])
            if one is not None:
                maps[f"{name} {region}"] = one
    return PairCoverage(
        pair.name, told, None, maps, found.verdict, pose_sigmas(found, pair.right_from_left)
    )


def pose_sigmas(found: StereoResult, true: NDArray[np.floating]) -> float | None:
    """Of a refined pose; None where there is none."""
    if found.pose is None or found.refinement is None or not found.refinement.done:
        return None
    pose, (turn, aside) = found.pose.right_from_left, found.refinement.pose_sigma_deg
    off = rotation_error_deg(pose, true) / turn, translation_error_deg(pose, true) / aside
    return _short(max(off))


def _infer(
    runtime: StereoRuntime,
    pair: KnownPair,
    told: str,
    rig: ToldRig,
    plane: Plane,
    up: NDArray[np.float64],
) -> StereoResult:
    images = pair.left, pair.right
    if told == "rig":
        return runtime.infer(*images, replace(rig.rig, up_left=up))
    if told == "altitude":
        height = plane.camera_height * rig.altitude
        return runtime.infer(*images, rig.cameras, altitude_m=height)
    length = float(np.linalg.norm(pair.right_from_left[:3, 3]))
    return runtime.infer(*images, rig.cameras, baseline_m=length)


def _means(pairs: list[PairCoverage]) -> dict[str, dict[str, Covered]]:
    means: dict[str, dict[str, Covered]] = {}
    for told in TOLD:
        for name in dict.fromkeys(name for pair in pairs for name in pair.maps):
            rows = [p.maps[name] for p in pairs if p.told == told and name in p.maps]
            if rows:
                columns = zip(*(msgspec.structs.astuple(row) for row in rows), strict=True)
                means.setdefault(told, {})[name] = Covered(*(_short(np.mean(c)) for c in columns))
    return means


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks


def _short(value: float | np.floating) -> float:
    return float(f"{float(value):.4g}")
