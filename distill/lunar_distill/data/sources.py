"""Pairs from StereoLunar's layout, from the renderer while training, and several sources as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from lunar_calib.datasets.shards import PAIRS_PER_TERRAIN, terrain_cells
from lunar_calib.datasets.stereolunar import read_pair
from lunar_calib.render.geometry import sample_spec, sample_terrain
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import synthesise_terrain
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, prepare
from numpy.typing import NDArray

from lunar_distill.data.pairs import Batch, Image, OnePair, PairSource, pair_suns, stack

UNKNOWN_SUNS = np.full((2, 3), np.nan)


class FramePairs:
    """Pairs of frames in StereoLunar's layout, cropped to a square and resized.

    Args:
        stems: Left and right frame of each, without suffix.
        size_px: Side of the images.
    """

    def __init__(self, stems: Sequence[tuple[Path, Path]], size_px: int) -> None:
        self.stems, self.size_px = list(stems), size_px

    def __len__(self) -> int:
        return len(self.stems)

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        return stack([self._pair(int(number)) for number in numbers], rng)

    def _pair(self, number: int) -> OnePair:
        pair = read_pair(*self.stems[number])
        size = self.size_px
        images: list[Image] = []
        depths: list[Image] = []
        for view in (pair.left, pair.right):
            image, mapping = prepare(view.image, size, size)
            images.append(image.astype(np.float32))
            depths.append(_square(view.depth_m, mapping))
        camera = mapping.to_grid(Intrinsics.from_matrix(pair.left.intrinsics))
        return OnePair(images, depths, pair.right_from_left, camera.fx, UNKNOWN_SUNS)


def _square(depth: Image, mapping: GridMapping) -> Image:
    """What `prepare` did to the image, done to its depth."""
    m = mapping
    cut = depth[m.crop_y : m.crop_y + m.crop_height, m.crop_x : m.crop_x + m.crop_width]
    side = (m.grid_width, m.grid_height)
    resized = cv2.resize(np.ascontiguousarray(cut), side, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.float32)


class FreshPairs:
    """Pairs that are rendered when asked for; every number is another one.

    Of a batch, every `PAIRS_PER_TERRAIN` share a terrain, which costs more than they do.
    """

    def __init__(self, seed: int, size_px: int, preset: str = "mix") -> None:
        self.seed, self.size_px, self.preset = seed, size_px, preset

    def __len__(self) -> int:
        return 2**31 - 1

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        pairs = []
        for position, number in enumerate(numbers):
            if position % PAIRS_PER_TERRAIN == 0:
                seed, size = self._seed(int(number), 1), self.size_px
                terrain = synthesise_terrain(sample_terrain(seed, size, terrain_cells(size)))
            seed = self._seed(int(number), 2)
            spec = sample_spec(seed, self.size_px, self.preset, terrain=terrain.spec)
            pair = render_pair(spec, terrain)
            images = [view.image.astype(np.float32) for view in (pair.left, pair.right)]
            depths = [np.asarray(view.depth_m, np.float32) for view in (pair.left, pair.right)]
            focal = float(pair.left.intrinsics[0, 0])
            pairs.append(OnePair(images, depths, pair.right_from_left, focal, pair_suns(pair.spec)))
        return stack(pairs, rng)

    def _seed(self, number: int, stream: int) -> int:
        return int(np.random.SeedSequence([self.seed, number, stream]).generate_state(1)[0])


class JoinedPairs:
    """Several sources, one after the other."""

    def __init__(self, parts: Sequence[PairSource]) -> None:
        self.parts = list(parts)
        self.size_px = parts[0].size_px
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        batches = []
        for number in numbers:
            part = int(np.searchsorted(self._ends, number, side="right"))
            before = int(self._ends[part - 1]) if part else 0
            batches.append(self.parts[part].batch(np.array([int(number) - before]), rng))
        along = {"images": 1, "depths": 1, "suns": 1, "left_from_right": 0, "focal_px": 0}
        return Batch(
            **{
                name: torch.cat([getattr(batch, name) for batch in batches], dim=dim)
                for name, dim in along.items()
            }
        )
