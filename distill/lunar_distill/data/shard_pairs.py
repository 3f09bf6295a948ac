"""Pairs of shards that `lunar-calib shards` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from lunar_calib.datasets.shards import find_shards, open_shard
from lunar_calib.specs.pair_spec import PairSpec
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from lunar_distill.data.batch import Batch, stack
from lunar_distill.data.sun_directions import sun_directions
from lunar_distill.data.training_pair import Image, TrainingPair

SIDES = ("left", "right")


@dataclass(frozen=True)
class OpenShard:
    """A shard, memory-mapped.

    Attributes:
        folder: Where it is.
        arrays: By name; see `lunar_calib.datasets.shards`.
        suns: (N, 2, 3) unit vectors to the sun in the left and right camera.
    """

    folder: Path
    arrays: dict[str, NDArray[Any]]
    suns: NDArray[np.float64]

    @classmethod
    def open(cls, folder: Path) -> OpenShard:
        """Map a shard's arrays.

        Raises:
            InputError: It is damaged.
        """
        return cls(folder, open_shard(folder), _read_suns(folder / "specs.json"))

    def __len__(self) -> int:
        return len(self.arrays["intrinsics"])

    def __getstate__(self) -> dict[str, Any]:
        """Another process maps the arrays anew: pickled, they would be copied into its memory."""
        return {"folder": self.folder, "suns": self.suns}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map them."""
        self.__dict__.update(state, arrays=open_shard(state["folder"]))


class ShardPairs:
    """Pairs of some shards, at one size.

    Args:
        shards: The shards.
        size_px: Side that the pairs are brought to.
        rows: Which pairs, as (number of the shard, row in it); None: all of them.
    """

    def __init__(
        self,
        shards: Sequence[OpenShard],
        size_px: int,
        rows: Iterable[tuple[int, int]] | None = None,
    ) -> None:
        self.shards, self.size_px = list(shards), size_px
        every = ((s, row) for s, shard in enumerate(shards) for row in range(len(shard)))
        self.rows = list(every if rows is None else rows)

    @classmethod
    def open(cls, folders: Iterable[Path], size_px: int) -> ShardPairs:
        """Every pair of every shard in some folders.

        Raises:
            InputError: A folder has none, or one is damaged.
        """
        found = [shard for folder in folders for shard in find_shards(folder)]
        return cls([OpenShard.open(shard) for shard in found], size_px)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        return stack([self._pair(int(number)) for number in numbers], rng)

    def _pair(self, number: int) -> TrainingPair:
        place, row = self.rows[number]
        shard = self.shards[place]
        arrays = shard.arrays
        images = [arrays[f"{side}_image"][row].astype(np.float32) for side in SIDES]
        depths = [np.asarray(arrays[f"{side}_depth"][row], np.float32) for side in SIDES]
        scale = self.size_px / images[0].shape[0]
        return TrainingPair(
            [self._resize(image) for image in images],
            [self._resize(depth) for depth in depths],
            np.asarray(arrays["right_from_left"][row], np.float64),
            float(arrays["intrinsics"][row][0, 0]) * scale,
            shard.suns[row],
        )

    def _resize(self, image: Image) -> Image:
        if image.shape[0] == self.size_px:
            return image
        side = (self.size_px, self.size_px)
        return np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.float32)


def _read_suns(specs: Path) -> NDArray[np.float64]:
    """(N, 2, 3) of a whole shard."""
    try:
        every = [PairSpec.from_dict(spec) for spec in json.loads(specs.read_text())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{specs}: damaged ({error}); render the shard again") from error
    return np.stack([sun_directions(spec) for spec in every])
