"""Pairs whose truth is known: published ones, and rendered ones of every geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.datasets.stereolunar_frames import read_pair
from lunar_calib.datasets.stereolunar_scenes import Scene, find_scenes
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs.pair_sampling import sample_spec


@dataclass(frozen=True)
class KnownPair:
    """A pair with its truth.

    Attributes:
        name: For a table.
        left: (H, W) uint8.
        right: (H, W) uint8.
        depth: (H, W) true Z of the left view, metres, NaN where unknown.
        camera_left: Pixels.
        camera_right: Pixels.
        right_from_left: (4, 4) metres.
        up_left: (3,) unit vector against gravity where the left camera looks, in its frame; None =
            not known.
        depth_right: (H, W) true Z of the right view, in its own frame; None = not known.
        half_floats: Whether the depths went through half floats: relief below their steps is lost.
    """

    name: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera_left: Intrinsics
    camera_right: Intrinsics
    right_from_left: NDArray[np.float64]
    up_left: NDArray[np.float64] | None = None
    depth_right: NDArray[np.float32] | None = None
    half_floats: bool = False

    def views(self) -> Pair:
        """Images and true cameras, as the refinement takes them."""
        left = View(self.left, CameraEstimate(self.camera_left, "truth"))
        return Pair(left, View(self.right, CameraEstimate(self.camera_right, "truth")))


def stereolunar_pairs(root: Path, *, cross_sun: bool = False) -> Iterator[KnownPair]:
    """StereoLunar's scenes at full size, each under every sun.

    Args:
        root: Folder in StereoLunar's layout, or one of its families; the depth is that of
            `Scene.smooth_depth_file` where there is one.
        cross_sun: Instead, left under one sun and right under each of the others.

    Raises:
        InputError: At once, not with the first pair: `root` is no such folder.
    """
    return _pairs_of(find_scenes(root), cross_sun)


def _pairs_of(scenes: Sequence[Scene], cross_sun: bool) -> Iterator[KnownPair]:
    for scene in scenes:
        smooth = [scene.smooth_depth_file(side) for side in "LR"]
        exact = not all(file.exists() for file in smooth)
        pairs = [read_pair(*stems, depth=exact) for stems in scene.pairs]
        suns = range(len(pairs))
        for i, j in ((i, j) for i in suns for j in suns if (i != j) == cross_sun):
            left, right = pairs[i].left, pairs[j].right
            depth, depth_right = (
                np.load(file)["depth_m"] if file.exists() else view.depth_m
                for file, view in zip(smooth, (left, right), strict=True)
            )
            yield KnownPair(
                f"{scene.label} sun {i}" + (f" x {j}" if cross_sun else ""),
                left.image,
                right.image,
                np.asarray(depth, np.float32),
                Intrinsics.from_matrix(left.intrinsics),
                Intrinsics.from_matrix(right.intrinsics),
                pairs[i].right_from_left,
                _up(left.cam2world, depth),
                np.asarray(depth_right, np.float32),
                half_floats=not exact,
            )


def rendered_pairs(count: int, size_px: int, seed: int) -> Iterator[KnownPair]:
    """Rendered pairs: the three geometries in turn, clean and realistic, two by two."""
    kinds, presets = ("nadir", "oblique", "dynamic"), ("stereolunar", "realistic")
    for number in range(count):
        kind, preset = kinds[number % 3], presets[number // 3 % 2]
        pair = render_pair(sample_spec(seed + number, size_px, preset, kind))
        yield known_pair(f"{preset} {kind} {seed + number}", pair)


def known_pair(name: str, pair: RenderedPair) -> KnownPair:
    """A rendered pair under a name."""
    return KnownPair(
        name,
        pair.left.image,
        pair.right.image,
        pair.left.depth_m,
        Intrinsics.from_matrix(pair.left.intrinsics),
        Intrinsics.from_matrix(pair.right.intrinsics),
        pair.right_from_left,
        _up(pair.left.cam2world, pair.left.depth_m),
        pair.right.depth_m,
    )


def _up(cam2world: NDArray[np.float64], depth: NDArray[np.floating]) -> NDArray[np.float64]:
    """(3,) against gravity where the optical axis meets the ground, in the camera's frame.

    World frames are centred on the Moon, as the published frames', or on the ground with z up.
    """
    up = np.array([0.0, 0.0, 1.0])
    if np.linalg.norm(cam2world[:3, 3]) > MOON_RADIUS_M / 2:
        up = cam2world[:3, 3] + cam2world[:3, 2] * float(np.nanmedian(depth))
    up = cam2world[:3, :3].T @ up
    return np.asarray(up / np.linalg.norm(up))
