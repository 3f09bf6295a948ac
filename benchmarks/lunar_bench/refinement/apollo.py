"""Real film: two Apollo 15 metric frames against the triangulated matches of their archive."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import msgspec
import numpy as np
from lunar_calib.truth.similarity import umeyama
from lunar_runtime import NotRefinedError, StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.epipolar import RelativePose, rays_of, sampson_distance
from numpy.typing import NDArray

from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine

_LEFT, _RIGHT = "AS15-M-0297_SML.png", "AS15-M-0298_SML.png"
_MATCHES = "tri_0297_0298.npz"


class MatchedDepth(msgspec.Struct, frozen=True):
    """A method's left view at the archive's matches.

    Attributes:
        depth_median: Median |Z / Z_matches - 1| with the scale of the true baseline (the network:
            of the median depth, since it knows none).
        aligned_median: The same after a similarity alignment.
        matches_epipolar_px: Median distance of the archive's matches from this pose's epipolar
            lines; None for the network.
        covered: Share of the matches where there is a depth.
    """

    depth_median: float
    aligned_median: float
    matches_epipolar_px: float | None
    covered: float


class ApolloResult(msgspec.Struct, frozen=True):
    """What the refinement makes of the pair.

    Attributes:
        pair: The frames.
        bundle_digest: SHA-256 of its manifest.
        matches: Of the archive, in the crop that was used.
        reason: Why not refined; None = it was.
        epipolar_px: Median residual of the dense matches, pixels of the frames.
        inside_fraction: Of the pixels, where the images decide.
        rotation_error_deg: From the archive's refined pose.
        direction_error_deg: Of the baseline, from the same.
        archive_epipolar_px: Median distance of its matches from its own pose's epipolar lines.
        methods: network, geometry, fused.
        machine: Where.
    """

    pair: str
    bundle_digest: str
    matches: int
    reason: str | None
    epipolar_px: float
    inside_fraction: float
    rotation_error_deg: float
    direction_error_deg: float
    archive_epipolar_px: float
    methods: dict[str, MatchedDepth]
    machine: Machine


def measure_apollo(bundle: Path | None, folder: Path) -> ApolloResult:
    """Refine AS15-M-0297/0298, with the archive's intrinsics and without its pose.

    Args:
        bundle: Of the network; None = the one in the package.
        folder: With the two frames, `cameras.json` and `tri_0297_0298.npz`.

    Raises:
        InputError: A file is missing.
    """
    for name in (_LEFT, _RIGHT, "cameras.json", _MATCHES):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; give the folder of the Apollo pair")
    cameras = json.loads((folder / "cameras.json").read_text())["cameras"]
    camera = Intrinsics.from_matrix(np.array(cameras[_LEFT]["intrinsics"]))
    world = [np.array(cameras[name]["cam2world_refined"]) for name in (_LEFT, _RIGHT)]
    true = np.linalg.inv(world[1]) @ world[0]
    with np.load(folder / _MATCHES) as stored:
        left_px, right_px = stored["left_px"], stored["right_px"]
        points = stored["xyz_left_cam_m"]
    machine = describe_machine()
    images = folder / _LEFT, folder / _RIGHT
    with StereoRuntime.load(bundle) as runtime:
        fused = runtime.infer(*images, intrinsics=camera)
        digest = runtime.bundle.digest
    assert fused.network is not None and fused.refinement is not None
    rays = rays_of(left_px, camera), rays_of(right_px, camera)

    def residual_px(matrix: NDArray[np.float64]) -> float:
        t = matrix[:3, 3]
        pose = RelativePose(matrix[:3, :3], t / np.linalg.norm(t))
        return float(np.median(np.abs(sampson_distance(*rays, pose)))) * camera.fx

    def measured(
        pointmap: NDArray[np.float32], at: NDArray[np.float64], result: StereoResult | None
    ) -> MatchedDepth:
        found = _at(pointmap, at)
        known = np.isfinite(found).all(axis=-1)
        z, z_true = found[known, 2], points[known, 2]
        pose = None if result is None or result.pose is None else result.pose.right_from_left
        scale = float(np.median(z_true / z))
        if pose is not None:
            scale = float(np.linalg.norm(true[:3, 3]) / np.linalg.norm(pose[:3, 3]))
        aligned = umeyama(found[known], points[known]).apply(found[known])
        return MatchedDepth(
            depth_median=float(np.median(np.abs(scale * z / z_true - 1))),
            aligned_median=float(np.median(np.abs(aligned[:, 2] / z_true - 1))),
            matches_epipolar_px=None if pose is None else residual_px(pose),
            covered=float(np.mean(known)),
        )

    on_grid = fused.mapping.points_to_grid(left_px)
    grown = cv2.resize(fused.network.pointmap_left, fused.pointmap_left.shape[1::-1])
    methods = {"network": measured(np.asarray(grown), on_grid, None)}
    try:
        alone = infer_geometry_only(*images, intrinsics=camera)
        methods["geometry"] = measured(alone.pointmap_left, on_grid, alone)
    except NotRefinedError:
        pass
    methods["fused"] = measured(fused.pointmap_left, on_grid, fused)
    refined, pose = fused.views["left"].refined, fused.pose
    assert pose is not None
    turned = pose.right_from_left[:3, :3] @ true[:3, :3].T
    along = pose.right_from_left[:3, 3] @ true[:3, 3]
    along /= np.linalg.norm(pose.right_from_left[:3, 3]) * np.linalg.norm(true[:3, 3])
    return ApolloResult(
        pair=f"{_LEFT} {_RIGHT}",
        bundle_digest=digest,
        matches=len(left_px),
        reason=fused.refinement.reason,
        epipolar_px=fused.refinement.epipolar_px,
        inside_fraction=0.0 if refined is None else float(np.mean(refined)),
        rotation_error_deg=_degrees((np.trace(turned) - 1) / 2),
        direction_error_deg=_degrees(float(along)),
        archive_epipolar_px=residual_px(true),
        methods=methods,
        machine=machine,
    )


def _at(pointmap: NDArray[np.float32], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) points at (N, 2) pixels of the map, bilinear."""
    x, y = (pixels - 0.5).astype(np.float32).T
    sampled = cv2.remap(
        pointmap, x[None], y[None], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(np.nan, np.nan, np.nan),
    )  # fmt: skip
    return np.asarray(sampled[0], np.float64)


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
