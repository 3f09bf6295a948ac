"""Network and images, together: the refined maps of a pair, or the network's where that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.held_memory import give_back
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.grid_mapping import PairGrids
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.pose import PoseEstimate, transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import Pair, View
from lunar_runtime.inference.expected_error import ExpectedError
from lunar_runtime.inference.kept import enlarged, keep_network
from lunar_runtime.inference.maps import (
    ESTIMATED,
    NOMINAL,
    Maps,
    PointMap,
    mask_by_confidence,
    mask_invalid,
)
from lunar_runtime.inference.network_error import confidence_of
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.other_suns import with_other_suns
from lunar_runtime.inference.result import RefinedView, Refinement, Side
from lunar_runtime.refinement.acceptance import (
    NoParallaxError,
    NotRefinedError,
    is_doubtful,
    require_same_ground,
)
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.first_pose import features_of
from lunar_runtime.refinement.matching import Features
from lunar_runtime.refinement.possible import SpoiltError
from lunar_runtime.refinement.refine import RefinedPose, refine_pose_and_surface, refine_surface
from lunar_runtime.refinement.same_ground import common_ground
from lunar_runtime.refinement.self_calibration import SURE, estimate_focal
from lunar_runtime.refinement.shared_errors import FOCAL, shared_errors
from lunar_runtime.refinement.surface import GivenPose, NetworkGuess, Surface

_NOMINAL_SIGMA = 0.5  # of a focal length that is anyone's guess: fields of 20 to 90 degrees

_REPEATED = "{error}, which no refinement gives; the pair was computed again"

_NEAREST = 1e-6
_THIN = 4


class Fused(NamedTuple):
    """The maps to go by, and how they came about.

    Attributes:
        maps: On the result's grid.
        refinement: How the images refined them, or why they did not; None = nobody asked.
    """

    maps: Maps
    refinement: Refinement | None


def fuse(
    pair: Pair,
    grids: PairGrids,
    network: Maps | None,
    options: InferOptions,
    rig: Rig,
    features: Features | None = None,
    *,
    last: bool = False,
) -> tuple[Fused, Notes]:
    """Refine a pair.

    Args:
        pair: Both images on the result's grids, (H, W) uint8, with their cameras.
        grids: From the images as given to those grids.
        network: What the network says, on its own grid; None = geometry alone.
        options: `refine` and `view` matter: the right view is refined only if it is asked for.
        rig: Its pose is a start, or is held; see `refine_pose_and_surface`.
        features: Of the pair's images, where some may have been found before.
        last: No pair follows: what the search for a focal length leaves is given back.

    Raises:
        NotRefinedError: The pair cannot be refined, and `refine` is `on` or there is no network.
        ContradictionError: The images show another pose than the rig's.
        OtherGroundError: Nothing shows that both images are of the same ground.
    """
    spoilt = Notes()
    try:
        try:
            fused = _refined(pair, grids, network, options, rig, features, last=last)
        except SpoiltError as error:
            spoilt = Notes((_REPEATED.format(error=error),))
            fused = _again(pair, grids, network, options, rig)
    except NotRefinedError as error:
        if network is None or options.refine == "on":
            raise
        same = isinstance(error, NoParallaxError)  # which many matches showed
        kept, notes = keep_network(network, pair, grids, options, str(error), same_ground=same)
        return Fused(kept, Refinement(reason=str(error))), spoilt + notes
    done = fused.refinement
    if done is not None and is_doubtful(done.inliers, done.matches, done.views["left"].fraction):
        checkpoint("ground")
        require_same_ground(common_ground(pair))
    return fused, spoilt


def _again(
    pair: Pair, grids: PairGrids, network: Maps | None, options: InferOptions, rig: Rig
) -> Fused:
    """Refine a pair whose first refinement was spoilt.

    Raises:
        NotRefinedError: See `_refined`; or it is spoilt again.
    """
    try:
        return _refined(pair, grids, network, options, rig)
    except SpoiltError as error:
        raise NotRefinedError(
            f"the refinement was spoilt twice, by {error}; test the memory of this "
            "machine, and look at the images"
        ) from error


def _refined(
    pair: Pair,
    grids: PairGrids,
    network: Maps | None,
    options: InferOptions,
    rig: Rig,
    features: Features | None = None,
    *,
    last: bool = False,
) -> Fused:
    guess = None if network is None else _left_guess(network, pair.left)
    if pair.left.camera.source == "rig":
        pair = replace(pair, left=replace(pair.left, focal_sigma=rig.focal_sigma))
    features = features or features_of(pair)
    pair, focal_sigma = _self_calibrated(pair, guess, features, last=last)
    if options.other_suns:
        pair = with_other_suns(pair, grids.left, options.other_suns, _told_baseline(options, rig))
    found, surface = refine_pose_and_surface(pair, guess, _given(rig), features)
    metres_sigma = 0.0 if focal_sigma > 0 else found.evidence.shared
    # In the network's unit where there is one, so that both pointmaps compare.
    baseline = 1.0 if guess is None else _baseline_in_units_of(guess, surface)
    right_from_left = found.pose.matrix(baseline)
    surfaces: dict[Side, Surface] = {"left": surface}
    left = _point_map(surface, _points(surface, pair.left, baseline), focal_sigma, metres_sigma)
    left = mask_invalid(left, pair.left.measured)
    right: PointMap | None = None
    if options.view != "left":
        other = surfaces["right"] = refine_surface(
            pair.swapped(),
            found.pose.inverse(),
            _plane_in_right_view(pair.right, left.points, right_from_left),
            [pose.inverse() for pose in found.drawn(len(surface.draws))],
            None if network is None else _right_guess(network, pair.right),
        )
        seen = _points(other, pair.right, baseline)
        points = transform_points(np.linalg.inv(right_from_left), seen)
        right = _point_map(other, np.asarray(points, np.float32), focal_sigma, metres_sigma)
        right = mask_invalid(right, pair.right.measured)
        right = mask_by_confidence("right", right, options.dropped_share)
    maps = Maps(
        grids=grids,
        left=mask_by_confidence("left", left, options.dropped_share),
        right=right,
        camera_left=pair.left.camera,
        camera_right=pair.right.camera,
        pose=PoseEstimate(right_from_left, found.inliers / found.matches, found.epipolar_px),
    )
    return Fused(maps, _refinement(found, surfaces, pair.left))


def _told_baseline(options: InferOptions, rig: Rig) -> float | None:
    if options.baseline_m is not None or rig.right_from_left is None:
        return options.baseline_m
    return float(np.linalg.norm(rig.right_from_left[:3, 3]))


def _given(rig: Rig) -> GivenPose | None:
    pose = None if rig.right_from_left is None else _relative(rig.right_from_left)
    return None if pose is None else GivenPose(pose, rig.pose == "fixed", rig.pose_sigma_deg)


def _self_calibrated(
    pair: Pair, guess: NetworkGuess | None, features: Features, *, last: bool
) -> tuple[Pair, float]:
    """The pair with the focal length that its matches tell, where nobody else told it.

    Returns:
        The pair, and the relative error of its focal length: 0 where it was told; where nobody
        knows it, that of a guess.
    """
    if pair.left.camera.source != NOMINAL or not pair.right.camera.source.startswith(NOMINAL):
        return pair, 0.0
    if last:
        features.matches()  # of whole images, which the search begins with: pyramids of 40 MiB
        give_back()
    focal = estimate_focal(pair, guess, features)
    if focal is None or focal.sigma > SURE:
        return pair, _NOMINAL_SIGMA
    return pair.with_focal(focal.ratio, ESTIMATED), focal.sigma


def _left_guess(network: Maps, view: View) -> NetworkGuess:
    return NetworkGuess(
        inverse_depth=_inverse(enlarged(network.left.points[..., 2], view.shape)),
        pose=None if network.pose is None else _relative(network.pose.right_from_left),
        descriptors=network.descriptors,
    )


def _right_guess(network: Maps, view: View) -> NetworkGuess | None:
    if network.right is None or network.pose is None:
        return None
    seen = transform_points(network.pose.right_from_left, network.right.points)
    return NetworkGuess(_inverse(enlarged(seen[..., 2], view.shape)))


def _baseline_in_units_of(guess: NetworkGuess, surface: Surface) -> float:
    with np.errstate(invalid="ignore"):
        thin = (slice(None, None, _THIN),) * 2
        return float(np.nanmedian(surface.inverse_depth[thin] / guess.inverse_depth[thin]))


def _plane_in_right_view(
    view: View, points: NDArray[np.float32], right_from_left: NDArray[np.float64]
) -> Field:
    """(H, W) inverse depth, in baselines, at which the right view sees the left view's plane."""
    baseline = float(np.linalg.norm(right_from_left[:3, 3]))
    plane = fit_plane(points)
    normal = right_from_left[:3, :3] @ plane.normal
    offset = plane.offset + float(normal @ right_from_left[:3, 3])
    start = (view.rays() @ normal.astype(np.float32)) * np.float32(baseline / offset)
    return np.asarray(np.maximum(start, np.float32(0.05) * np.median(start)), np.float32)


def _refinement(found: RefinedPose, surfaces: dict[Side, Surface], view: View) -> Refinement:
    surface = surfaces["left"]
    thin = (slice(None, None, _THIN),) * 2  # the median of some thousands of angles is enough
    inside, depth = surface.refined[thin], 1 / surface.inverse_depth[thin]
    if not inside.any():
        inside = np.ones_like(inside)
    point = (view.rays()[thin] * depth[..., None])[inside].astype(np.float64)  # in baselines
    centre = found.pose.inverse().t
    from_right = point - centre
    cosine = np.sum(point * from_right, axis=-1) / (
        np.linalg.norm(point, axis=-1) * np.linalg.norm(from_right, axis=-1)
    )
    return Refinement(
        reason=None,
        pose_source=found.source,
        pose_held=found.held,
        matches=found.matches,
        inliers=found.inliers,
        epipolar_px=found.epipolar_px,
        pattern_px=found.pattern_px,
        rival_pose=found.rival,
        network_differs_deg=found.network_differs_deg,
        parallax_deg=float(np.degrees(np.arccos(np.clip(np.median(cosine), -1, 1)))),
        relief_gain=surface.prior.relief_gain,
        pose_sigma_deg=found.evidence.real_sigma_deg(),
        focal_ratio=found.evidence.focal_ratio,
        focal_sigma=found.evidence.focal_sigma,
        cameras_err=found.evidence.erring,
        rig_apart=found.evidence.rig_apart,
        misfits=found.evidence.misfits,
        views={
            side: RefinedView(
                fraction=float(np.mean(one.refined)),
                overlap=one.overlap,
                correlation=one.correlation,
                prior_sigma=one.prior.sigma,
                unevenness=one.unevenness,
                hidden=one.hidden,
                unmatched=one.unmatched,
            )
            for side, one in surfaces.items()
        },
        shading={side: one.shading for side, one in surfaces.items() if one.shading is not None},
    )


def _points(surface: Surface, view: View, baseline: float) -> NDArray[np.float32]:
    """(H, W, 3) in the view's own frame."""
    z = np.float32(baseline) / surface.inverse_depth
    return np.asarray(view.rays() * z[..., None], np.float32)


def _point_map(
    surface: Surface, points: NDArray[np.float32], focal_sigma: float, metres_sigma: float
) -> PointMap:
    """Depth goes with the focal length, whose error is therefore one more of the depth."""
    sigma, draws = surface.sigma, surface.draws
    if focal_sigma > 0:
        sigma = np.hypot(sigma, np.float32(focal_sigma))
        signs = shared_errors(len(draws))[:, FOCAL].astype(np.float32)
        draws = draws + np.float32(focal_sigma) * signs[:, None, None]
    expected = ExpectedError(sigma, draws, surface.refined, focal_sigma, metres_sigma)
    return PointMap(points, confidence_of(sigma), expected)


def _relative(right_from_left: NDArray[np.float64]) -> RelativePose | None:
    length = float(np.linalg.norm(right_from_left[:3, 3]))
    if not length > 0:
        return None
    return RelativePose(right_from_left[:3, :3], right_from_left[:3, 3] / length)


def _inverse(z: NDArray[np.float32]) -> Field:
    with np.errstate(invalid="ignore"):
        front = z > _NEAREST
    return np.where(front, 1 / np.where(front, z, 1), np.float32(np.nan)).astype(np.float32)
