"""Pairs that are rendered while training."""

from __future__ import annotations

import numpy as np
from lunar_calib.datasets.shards import PAIRS_PER_TERRAIN, terrain_cells
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import synthesise_terrain
from lunar_calib.specs.pair_sampling import derived_seed, sample_spec, sample_terrain
from numpy.typing import NDArray

from lunar_distill.data.batch import Batch, stack
from lunar_distill.data.sun_directions import sun_directions
from lunar_distill.data.training_pair import TrainingPair


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
                seed, size = derived_seed(self.seed, int(number), 1), self.size_px
                terrain = synthesise_terrain(sample_terrain(seed, size, terrain_cells(size)))
            seed = derived_seed(self.seed, int(number), 2)
            spec = sample_spec(seed, self.size_px, self.preset, terrain=terrain.spec)
            pair = render_pair(spec, terrain)
            images = [view.image.astype(np.float32) for view in (pair.left, pair.right)]
            depths = [np.asarray(view.depth_m, np.float32) for view in (pair.left, pair.right)]
            focal = float(pair.left.intrinsics[0, 0])
            pairs.append(
                TrainingPair(images, depths, pair.right_from_left, focal, sun_directions(pair.spec))
            )
        return stack(pairs, rng)
