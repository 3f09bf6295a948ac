"""Pairs whose truth is known, from StereoLunar's layout or rendered shards, ready to be scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, resample
from numpy.typing import NDArray

# Sun elevations are told apart as morning, day and noon: 10° is where attached shadows end on
# ordinary ground, 30° where shading begins to fade into albedo.
_LOW_SUN_DEG, _HIGH_SUN_DEG = 10.0, 30.0


@dataclass(frozen=True)
class LabelledPair:
    """A pair with its truth in both views, and what it is a sample of.

    Attributes:
        known: Images, left depth, cameras, pose.
        depth_right: (H, W) true Z of the right view, metres, NaN where unknown.
        scene: Of the ground: results are grouped by it.
        sun: Of the light: likewise.
        world_z: (4,) or None: the third coordinate of the data's own world frame is
            `world_z[:3] · p + world_z[3]` for a point p in the left camera's frame.
    """

    known: KnownPair
    depth_right: NDArray[np.float32]
    scene: str
    sun: str
    world_z: NDArray[np.float64] | None

    @property
    def name(self) -> str:
        """For a table."""
        return self.known.name


@dataclass(frozen=True)
class PairFolder:
    """Where pairs come from.

    Attributes:
        data: `StereoLunar` or `rendered`.
        folder: With the files.
    """

    data: str
    folder: Path

    @classmethod
    def open(cls, folder: Path) -> PairFolder:
        """Tell the layouts apart.

        Raises:
            InputError: `folder` is none of them.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give one of pairs with depth")
        if any(folder.glob("shard_*")):
            return cls("rendered", folder)
        if next(folder.rglob("im_*.npz"), None) is not None:
            return cls("StereoLunar", folder)
        raise InputError(
            f"{folder}: neither StereoLunar's im_N.npz nor shards in it; render some with "
            f"lunar-calib shards --out {folder}"
        )

    def pairs(self) -> Iterator[tuple[str, Callable[[], LabelledPair]]]:
        """Name and reader of every pair, in order; a reader raises `InputError` where it cannot."""
        read = _shards if self.data == "rendered" else _stereolunar
        yield from read(self.folder)


def fit_pair(pair: LabelledPair, aspect: tuple[int, int], size: int | None) -> LabelledPair:
    """The pair as a network of this aspect sees it: cropped centrally, and perhaps resized.

    Args:
        pair: At the size of its files.
        aspect: Height and width of the network's images.
        size: The longer side of the result, pixels; None = not resized.
    """
    known, mapping = fit_known(pair.known, aspect, size)
    if known is pair.known:
        return pair
    return replace(pair, known=known, depth_right=_resample_depth(pair.depth_right, mapping))


def fit_known(
    known: KnownPair, aspect: tuple[int, int], size: int | None
) -> tuple[KnownPair, GridMapping]:
    """Images, left depth and cameras as in `fit_pair`, and how pixels were mapped."""
    height, width = known.left.shape
    mapping = GridMapping.fit(height, width, *aspect)
    grid = mapping.crop_height, mapping.crop_width
    if size is not None:
        grid = (
            round(size * aspect[0] / max(aspect)),
            round(size * aspect[1] / max(aspect)),
        )
    mapping = mapping.with_grid(*grid)
    if grid == (height, width):
        return known, mapping
    fitted = replace(
        known,
        left=resample(known.left, mapping),
        right=resample(known.right, mapping),
        depth=_resample_depth(known.depth, mapping),
        camera_left=mapping.to_grid(known.camera_left),
        camera_right=mapping.to_grid(known.camera_right),
    )
    return fitted, mapping


def _resample_depth(depth: NDArray[np.float32], mapping: GridMapping) -> NDArray[np.float32]:
    """As the images: averaged where it shrinks; NaN spreads, so that no edge is invented."""
    rows = slice(mapping.crop_y, mapping.crop_y + mapping.crop_height)
    crop = depth[rows, mapping.crop_x : mapping.crop_x + mapping.crop_width]
    size = mapping.grid_width, mapping.grid_height
    if crop.shape == size[::-1]:
        return crop
    mode = cv2.INTER_AREA if size[0] <= crop.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.asarray(crop, np.float32), size, interpolation=mode))


def _stereolunar(root: Path) -> Iterator[tuple[str, Callable[[], LabelledPair]]]:
    """Every scene under each of its suns.

    `<root>/../stereolunar_depth/<scene>_L.npz` and `_R.npz` (`depth_m`) replace the half-float
    depth where they are there: its steps of 8-32 m spoil slopes.
    """
    from lunar_calib.datasets.stereolunar_scenes import find_scenes

    for scene in find_scenes(root):
        label = f"{scene.folder.parent.name.split('_')[0]}_{scene.folder.name}"
        smooth = [root.parent / "stereolunar_depth" / f"{label}_{side}.npz" for side in "LR"]
        for sun, stems in enumerate(scene.pairs):
            name = f"{label} {stems[0].name}/{stems[1].name}"
            yield name, partial(_read_stereolunar, name, stems, smooth, label, f"sun {sun}")


def _read_stereolunar(
    name: str, stems: tuple[Path, Path], smooth: list[Path], scene: str, sun: str
) -> LabelledPair:
    from lunar_calib.datasets.stereolunar_frames import read_pair

    replaced = all(path.exists() for path in smooth)
    pair = read_pair(*stems, depth=not replaced)
    depths = [pair.left.depth_m, pair.right.depth_m]
    if replaced:
        depths = [np.load(path)["depth_m"] for path in smooth]
    known = KnownPair(
        name,
        pair.left.image,
        pair.right.image,
        np.asarray(depths[0], np.float32),
        Intrinsics.from_matrix(pair.left.intrinsics),
        Intrinsics.from_matrix(pair.right.intrinsics),
        pair.right_from_left,
    )
    world_z = np.asarray(pair.left.cam2world[2], np.float64)
    return LabelledPair(known, np.asarray(depths[1], np.float32), scene, sun, world_z)


def _shards(root: Path) -> Iterator[tuple[str, Callable[[], LabelledPair]]]:
    """Rendered pairs; scenes are the three geometries, suns their elevation."""
    from lunar_calib.datasets.shards import open_shards

    number = 0
    for folder, shard in zip(sorted(root.glob("shard_*")), open_shards(root), strict=True):
        specs = json.loads((folder / "specs.json").read_text())
        for i, values in enumerate(specs):
            name = f"rendered {number}"
            yield name, partial(_read_rendered, name, shard, i, values)
            number += 1


def _read_rendered(
    name: str, shard: dict[str, NDArray[np.generic]], i: int, values: dict[str, Any]
) -> LabelledPair:
    from lunar_calib.specs.pair_spec import PairSpec

    spec = PairSpec.from_dict(values)
    camera = Intrinsics.from_matrix(np.asarray(shard["intrinsics"][i], np.float64))
    known = KnownPair(
        name,
        np.asarray(shard["left_image"][i], np.uint8),
        np.asarray(shard["right_image"][i], np.uint8),
        np.asarray(shard["left_depth"][i], np.float32),
        camera,
        camera,
        np.asarray(shard["right_from_left"][i], np.float64),
    )
    depth_right = np.asarray(shard["right_depth"][i], np.float32)
    return LabelledPair(known, depth_right, spec.kind.value, _sun(spec.sun_elevation_deg), None)


def _sun(elevation_deg: float) -> str:
    if elevation_deg < _LOW_SUN_DEG:
        return f"below {_LOW_SUN_DEG:.0f}°"
    if elevation_deg < _HIGH_SUN_DEG:
        return f"{_LOW_SUN_DEG:.0f}-{_HIGH_SUN_DEG:.0f}°"
    return f"above {_HIGH_SUN_DEG:.0f}°"
