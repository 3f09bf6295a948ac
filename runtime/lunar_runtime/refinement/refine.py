"""The pointmap meets the images again: sub-pixel pose and depth from the pair itself.

A network's pointmap is complete and robust, but from orbit it is a percent off, and a percent is
the whole relief. The images hold far more, once it is known roughly where to look:

1. the pose, from matched features (and the network's descriptors or pointmaps, whichever the
   matches support best), then from dense flow (`relative_pose`);
2. the surface, from dense flow along the epipolar lines, around a prior made of the best plane and
   the network's relief (`dense_match`, `prior`);
3. the last hundredths of a pixel, from brightness along the epipolar lines;
4. every step through one thin plate, which keeps what the images say where they say something, and
   the prior in shadow and beyond the right image, without a seam (`thin_plate`);
5. how sure all this is, from random draws of the plate's own posterior.

Everything is seeded and bounded: the same pair gives the same surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.epipolar import (
    EpipolarField,
    RelativePose,
    inverse_depth,
    rays_of,
    sampson_distance,
)
from lunar_runtime.geometry.fields import Field, blurred, half, resized
from lunar_runtime.refinement.dense_match import Brightness, Flow, linearise, measure_flow
from lunar_runtime.refinement.matching import Matches, match_descriptors, match_features
from lunar_runtime.refinement.prior import Prior, fit_prior, relief_bands
from lunar_runtime.refinement.relative_pose import (
    IN_FRONT,
    PoseFit,
    best_poses,
    explains,
    fit_pose,
    in_front,
    poses_across,
    rotation_residual_px,
    start_poses,
)
from lunar_runtime.refinement.thin_plate import bending, double, sample_thin_plate, solve_thin_plate

PoseSource = Literal["matches", "network", "rig"]

_FLOW_ROUNDS = 2  # besides the first, at half resolution
_BRIGHTNESS_ROUNDS = 2
_CYCLES = 3  # of every solution, which starts from the last one: in all they leave below 1 %
_DRAWS = 8
_DRAW_CYCLES = 2  # leave out 1-3 % of the expected error, 6 % at worst (13 pairs)

# The plate's stiffness: curvature of lunar ground seen from above, as the change of slope over one
# pixel; 0.14 gave the lowest slope error on StereoLunar and rendered pairs, and a factor of two
# either way costs less than 5 % of it.
_BEND_PER_PX = 0.14
# A flow vector is good to 0.16 px, and its error is shared by the 5 × 5 px of a patch.
_FLOW_SIGMA_PX = 0.16
_FLOW_PATCH_PX = 25
_PRIOR_SHARE = 1 / 4  # of the image's width: how far the prior's errors reach
# The posterior takes residuals for independent, but shading and interpolation are not. With this
# factor the worst of 36 StereoLunar and rendered pairs errs as expected, the median one by half.
_ERROR_PER_EXPECTED = 2.5

_LARGE_PX = 512  # of an image's shorter side: features are first looked for at half of it
_MIN_MATCHES = 24
_INLIER_PX = 1.5
_POSE_SAMPLES = 8000
_MIN_TRUST = 0.05
_LEAST_BASELINE = 0.01  # of the depth
_LEAST_PARALLAX_PX = 0.15
_LEAST_MATCHED = 0.15  # of the overlap
# Median distance of the dense matches: right poses leave 0.01-0.06 px (film 0.05), wrong ones on
# narrow overlaps 0.15-0.2.
_MOST_EPIPOLAR_PX = 0.12
_LEAST_CORRELATION = 0.4  # same sun 0.7-0.99; another sun -0.1 to 0.1


class NotRefinedError(InputError):
    """The images cannot refine the surface; the text says why."""


class _NoParallaxError(NotRefinedError):
    """More features would not change it."""


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


@dataclass(frozen=True)
class PosePart:
    """The pose, and what supports it.

    Attributes:
        pose: The right camera's, |t| = 1.
        source: What it started from.
        matches: Sparse matches, in all, at the resolution that settled the pose.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median Sampson distance of the dense matches.
        network_differs_deg: Angle to the network's rotation; None without one.
    """

    pose: RelativePose
    source: PoseSource
    matches: int
    inliers: int
    epipolar_px: float
    network_differs_deg: float | None


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
    """

    inverse_depth: Field
    sigma: Field
    refined: NDArray[np.bool_]
    draws: Field
    prior: Prior
    overlap: float
    correlation: float


def refine_pose_and_surface(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    camera_left: Intrinsics,
    camera_right: Intrinsics,
    network: NetworkGuess | None = None,
    given: RelativePose | None = None,
) -> tuple[PosePart, Surface]:
    """Refine the left view of a pair.

    Args:
        left: (H, W) grey.
        right: (H, W) grey.
        camera_left: Of the left image, pixels.
        camera_right: Of the right image.
        network: What the network says; None = geometry alone.
        given: A pose known beforehand: one more start, kept if the matches support it best.

    Returns:
        The pose and the surface.

    Raises:
        NotRefinedError: Too few matches, no parallax, different suns, or nothing in common.
    """
    pair = left, right, camera_left, camera_right, network, given
    if min(left.shape) >= _LARGE_PX:
        try:
            return _refine(*pair, halved=True)
        except _NoParallaxError:
            raise
        except NotRefinedError:
            pass  # more features may hold more: on a narrow overlap they settle the pose
    return _refine(*pair, halved=False)


def _refine(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    camera_left: Intrinsics,
    camera_right: Intrinsics,
    network: NetworkGuess | None,
    given: RelativePose | None,
    *,
    halved: bool,
) -> tuple[PosePart, Surface]:
    focal_px = camera_left.fx
    matches, fits, source = _sparse(
        left, right, camera_left, camera_right, network, given, halved=halved
    )
    rays = rays_of(matches.left, camera_left), rays_of(matches.right, camera_right)
    first = fits[0].pose
    inlier = np.abs(sampson_distance(*rays, first)) * focal_px < _INLIER_PX
    if np.count_nonzero(inlier) < _MIN_MATCHES:
        raise NotRefinedError(
            f"only {np.count_nonzero(inlier)} of {len(inlier)} matched points agree on a camera "
            f"pose, {_MIN_MATCHES} are needed; do the images show the same ground under the same "
            "sun?"
        )
    _require_parallax(rays[0][inlier], rays[1][inlier], first, focal_px)
    solver = _Solver(left, right, camera_left, camera_right, network)
    coarse = solver.coarser()
    surface = coarse.from_matches(rays[0][inlier], rays[1][inlier], first)
    flow = measure_flow(*coarse.images, coarse.field(first), surface)
    fit = coarse.fit_pose([fit.pose for fit in fits], flow)
    surface = solver.resized(coarse.from_flow(fit.pose, flow))
    for _ in range(_FLOW_ROUNDS):
        flow = measure_flow(*solver.images, solver.field(fit.pose), surface)
        fit = solver.fit_pose([fit.pose], flow)
        surface = solver.from_flow(fit.pose, flow)
    _require_agreement(flow)
    if fit.sigma_px / 1.4826 > _MOST_EPIPOLAR_PX:
        raise NotRefinedError(
            f"no camera pose explains the dense matches: they miss their epipolar lines by "
            f"{fit.sigma_px / 1.4826:.2f} px, {_MOST_EPIPOLAR_PX} px is allowed; are the "
            "intrinsics right?"
        )
    part = PosePart(
        pose=fit.pose,
        source=source,
        matches=len(inlier),
        inliers=int(np.count_nonzero(inlier)),
        epipolar_px=fit.sigma_px / 1.4826,
        network_differs_deg=None
        if network is None or network.pose is None
        else fit.pose.turned_deg(network.pose),
    )
    return part, solver.from_brightness(fit.pose, surface)


def refine_surface(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    camera_left: Intrinsics,
    camera_right: Intrinsics,
    pose: RelativePose,
    start: Field,
    network: NetworkGuess | None = None,
) -> Surface:
    """Refine a view whose pose is known, from a first surface.

    As `refine_pose_and_surface` does, without its features and fits: flow at half the resolution,
    flow, brightness.

    Args:
        left: (H, W) grey: the view to refine.
        right: (H, W) grey.
        camera_left: Of the view to refine, pixels.
        camera_right: Of the other.
        pose: Of the other camera.
        start: (H, W) inverse depth, baseline / Z.
        network: Prior of the view to refine.

    Returns:
        The surface.

    Raises:
        NotRefinedError: Nothing in common, or different suns.
    """
    fine = _Solver(left, right, camera_left, camera_right, network)
    surface = start
    for solver in (fine.coarser(), *[fine] * _FLOW_ROUNDS):
        surface = solver.resized(surface)
        flow = measure_flow(*solver.images, solver.field(pose), surface)
        if not flow.trust.any():
            raise NotRefinedError("the two views have no ground in common")
        surface = solver.from_flow(pose, flow)
    _require_agreement(flow)
    return fine.from_brightness(pose, surface)


class _Solver:
    """The dense steps, which share the images, the cameras and the present prior."""

    def __init__(
        self,
        left: NDArray[Any],
        right: NDArray[Any],
        camera_left: Intrinsics,
        camera_right: Intrinsics,
        network: NetworkGuess | None,
    ) -> None:
        self.images = left.astype(np.float32), right.astype(np.float32)
        self._cameras = camera_left, camera_right
        self._network = network
        rays = pixel_rays(camera_left, *left.shape)
        self._relief = None if network is None else relief_bands(rays, network.inverse_depth)
        self._height, self._width = left.shape
        self._stiffness = (camera_left.fx / _BEND_PER_PX) ** 2
        self._prior: Prior | None = None
        self._slack = np.ones((-(-self._height // 2), -(-self._width // 2)), np.float32)
        self._used = self._slack  # in the last solution

    def coarser(self) -> _Solver:
        """The same at half the resolution: enough for the first flow, which reaches farther so."""
        images = [half(image) for image in self.images]
        cameras = [
            camera.scaled(small.shape[1] / image.shape[1], small.shape[0] / image.shape[0])
            for camera, small, image in zip(self._cameras, images, self.images, strict=True)
        ]
        network = self._network
        if network is not None:
            network = NetworkGuess(half(network.inverse_depth))
        return _Solver(images[0], images[1], cameras[0], cameras[1], network)

    def resized(self, surface: Field) -> Field:
        """A surface of another solver on this one's grid."""
        return resized(surface, (self._height, self._width))

    def field(self, pose: RelativePose) -> EpipolarField:
        return EpipolarField(*self._cameras, pose, self._height, self._width)

    def fit_pose(self, starts: list[RelativePose], flow: Flow) -> PoseFit:
        """Fit the pose to the dense matches, from every start; the lowest cost wins."""
        stride = 1
        while self._height * self._width / stride**2 > _POSE_SAMPLES:
            stride += 1
        rows, columns = np.nonzero(
            flow.trust[stride // 2 :: stride, stride // 2 :: stride] > _MIN_TRUST
        )
        rows, columns = rows * stride + stride // 2, columns * stride + stride // 2
        if len(rows) < _MIN_MATCHES:
            raise NotRefinedError(
                "the images do not match densely along the ground that the features put in both; "
                "do they show the same ground under the same sun?"
            )
        here = np.stack([columns, rows], axis=-1) + 0.5
        there = np.stack([flow.u[rows, columns], flow.v[rows, columns]], axis=-1)
        left, right = rays_of(here, self._cameras[0]), rays_of(there, self._cameras[1])
        focal_px = self._cameras[0].fx
        fits = [fit_pose(left, right, start, focal_px, iterations=15) for start in starts]
        return min(fits, key=lambda fit: (fit.sigma_px, fit.cost))

    def from_matches(
        self, left: NDArray[np.float64], right: NDArray[np.float64], pose: RelativePose
    ) -> Field:
        """The prior through matched (N, 3) rays: the first surface to warp through."""
        camera = self._cameras[0]
        d = inverse_depth(left, right, pose)
        at = left[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        column = np.clip(at[:, 0].astype(np.intp), 0, self._width - 1)
        row = np.clip(at[:, 1].astype(np.intp), 0, self._height - 1)
        measured = np.zeros((self._height, self._width), np.float32)
        trust = np.zeros_like(measured)
        measured[row, column], trust[row, column] = d, d > 0
        return fit_prior(self.field(pose).rays, measured, trust, self._relief).inverse_depth

    def from_flow(self, pose: RelativePose, flow: Flow) -> Field:
        """The surface through the flow's depths; refits the prior."""
        field = self.field(pose)
        measured = field.triangulate(flow.u, flow.v)
        du, dv = field.motion(measured)
        trust = np.where(np.isfinite(du) & (measured > 0), flow.trust, 0).astype(np.float32)
        if np.count_nonzero(trust) < _MIN_MATCHES:
            raise NotRefinedError("the dense matches do not meet in front of the cameras")
        prior = self._prior = fit_prior(field.rays, measured, trust, self._relief)
        moved_px = np.where(trust > 0, np.hypot(du, dv), 0) * prior.inverse_depth
        information = trust * moved_px**2 / np.float32(_FLOW_SIGMA_PX**2 * _FLOW_PATCH_PX)
        change = np.where(trust > 0, measured / prior.inverse_depth - 1, 0)
        return self._through_plate(
            information, information * change.astype(np.float32), flow.surface
        )

    def from_brightness(self, pose: RelativePose, surface: Field) -> Surface:
        """The surface that the brightness asks for, and its uncertainty."""
        assert self._prior is not None  # from_flow came first
        prior, field = self._prior, self.field(pose)
        for _ in range(_BRIGHTNESS_ROUNDS):
            bright = linearise(*self.images, field, surface)
            information, pull = self._around_prior(bright, surface)
            surface = self._through_plate(information, pull, surface)
        coarse, slack = self._halved(information), self._used
        draws = self._draw(coarse, slack)
        sigma = self._sigma(draws)
        with np.errstate(invalid="ignore"):
            refined = (sigma < prior.sigma / 2) & bright.inside
        correlation = bright.correlation[bright.inside]
        return Surface(
            inverse_depth=surface,
            sigma=sigma,
            refined=refined,
            draws=draws,
            prior=prior,
            overlap=float(np.mean(bright.inside)),
            correlation=float(np.median(correlation)) if correlation.size else 0.0,
        )

    def _around_prior(self, bright: Brightness, surface: Field) -> tuple[Field, Field]:
        """From changes of the present surface to changes of the prior's."""
        assert self._prior is not None
        ratio = surface / self._prior.inverse_depth
        information = bright.information / ratio**2
        return information, information * (ratio - 1) + bright.pull / ratio

    def _through_plate(self, information: Field, pull: Field, last: Field) -> Field:
        """Solve at half resolution, where the surface is smooth.

        The plate is relaxed where the last surface bends: over the rounds its stiffness settles.
        """
        assert self._prior is not None
        coarse, pull = self._halved(information), self._halved(pull)
        start = self._halved(last / self._prior.inverse_depth - 1) / np.float32(4)
        self._used = slack = self._slack * self._foreshortening()
        # Dividing the plate's stiffness by the slack is multiplying the rest by it.
        e = solve_thin_plate(
            (coarse + self._prior_weight()) * slack,
            pull * slack,
            self._stiffness / 4,
            start=start,
            cycles=_CYCLES,
        )
        energy = blurred(bending(e), 1.0)
        slack = np.sqrt(1 + energy / max(float(np.median(energy)), 1e-30))
        self._slack = (slack / np.median(slack)).astype(np.float32)
        grown = double(e)[: self._height, : self._width]
        return np.asarray(self._prior.inverse_depth * (1 + np.maximum(grown, -0.9)), np.float32)

    def _foreshortening(self) -> Field:
        """How much less stiff the plate is where it is seen obliquely.

        A ray's length changes by the height's change over the cosine of incidence, so the same
        change of slope over a pixel bends the inverse depth by as much more, and the stiffness goes
        with the cosine's square. Along the dip a pixel is longer on the ground too, which asks for
        a higher power: on StereoLunar and rendered pairs that followed rims better and left more
        noise in all other slopes.
        """
        assert self._prior is not None
        cosine = resized(self._prior.incidence, self._slack.shape)
        return np.asarray(1 / np.square(cosine), np.float32)

    def _prior_weight(self) -> float:
        """Information of the prior in one half-resolution pixel."""
        assert self._prior is not None
        reach_px = _PRIOR_SHARE * self._width
        return float(4 / (self._prior.sigma * reach_px) ** 2)

    def _draw(self, information: Field, slack: Field) -> Field:
        rng = np.random.default_rng(0)
        weight = (information + self._prior_weight()) * slack
        # With A = weight + stiffness HᵀH per slack, the covariance is A⁻¹ · slack at each pixel.
        drawn = sample_thin_plate(
            weight, self._stiffness / 4, rng, count=_DRAWS, cycles=_DRAW_CYCLES
        )
        return np.asarray(np.float32(_ERROR_PER_EXPECTED) * np.sqrt(slack) * drawn, np.float32)

    def _sigma(self, draws: Field) -> Field:
        variance = blurred(np.mean(draws**2, axis=0, dtype=np.float32), self._width / 128)
        twice = resized(variance, (2 * variance.shape[0], 2 * variance.shape[1]))
        return np.sqrt(np.maximum(twice, 1e-14))[: self._height, : self._width]

    def _halved(self, values: Field) -> Field:
        padded = np.pad(values, ((0, self._height % 2), (0, self._width % 2)))
        return half(padded.astype(np.float32)) * 4


def _sparse(
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    camera_left: Intrinsics,
    camera_right: Intrinsics,
    network: NetworkGuess | None,
    given: RelativePose | None,
    *,
    halved: bool,
) -> tuple[Matches, list[PoseFit], PoseSource]:
    """Matches, the poses that they support, best first, and where the best one started."""
    matches = match_features(left, right, halved=halved)
    if network is not None and network.descriptors is not None:
        matches = matches + match_descriptors(*network.descriptors, left.shape)
    if len(matches.left) < _MIN_MATCHES:
        raise NotRefinedError(
            f"only {len(matches.left)} points match between the images, {_MIN_MATCHES} are needed; "
            "do they show the same ground under the same sun?"
        )
    rays = rays_of(matches.left, camera_left), rays_of(matches.right, camera_right)
    fits: list[PoseFit] = []
    source: PoseSource = "matches"

    def try_from(name: PoseSource, poses: list[RelativePose]) -> None:
        nonlocal fits, source
        found = best_poses(*rays, camera_left.fx, poses)
        # Only a start that ends lower than all others decides; one that ends in the same place
        # confirms the matches.
        if found and (not fits or found[0].cost < 0.99 * fits[0].cost):
            fits, source = [*found, *fits], name

    try_from("matches", start_poses(*rays, camera_left.fx))
    try_from("network", [] if network is None or network.pose is None else [network.pose])
    try_from("rig", [] if given is None else [given])
    if not (fits and explains(fits[0], len(matches.left))):
        if halved:
            raise NotRefinedError("the features of halved images do not settle a camera pose")
        try_from("matches", poses_across(*rays, camera_left.fx))
    if not fits:
        raise NotRefinedError(
            f"no camera pose puts the {len(matches.left)} matched points before both cameras; do "
            "the images show the same ground?"
        )
    return matches, fits, source


def _require_parallax(
    left: NDArray[np.float64], right: NDArray[np.float64], pose: RelativePose, focal_px: float
) -> None:
    baseline = float(np.median(inverse_depth(left, right, pose)))
    moved_px = rotation_residual_px(left, right, pose, focal_px)
    if moved_px < _LEAST_PARALLAX_PX or in_front(left, right, pose) < IN_FRONT:
        raise _NoParallaxError(
            f"a turn of the camera alone explains the images to {moved_px:.2f} px, so they hold no "
            "depth; the cameras need a baseline"
        )
    if baseline < _LEAST_BASELINE:
        raise _NoParallaxError(
            f"the baseline is {baseline:.2%} of the depth; below {_LEAST_BASELINE:.0%} the images "
            "hold no depth worth having"
        )


def _require_agreement(flow: Flow) -> None:
    overlap = float(np.count_nonzero(flow.inside))
    matched = float(np.count_nonzero(flow.trust > _MIN_TRUST)) / max(overlap, 1.0)
    if matched < _LEAST_MATCHED:
        raise NotRefinedError(
            f"only {matched:.0%} of the common ground matches between the images, "
            f"{_LEAST_MATCHED:.0%} is needed; do they show it under the same sun?"
        )
    correlation = float(np.median(flow.correlation[flow.inside]))
    if correlation < _LEAST_CORRELATION:
        raise NotRefinedError(
            f"the images differ through any surface (correlation {correlation:.2f}, "
            f"{_LEAST_CORRELATION} is needed); do they show the ground under the same sun?"
        )
