"""Batches of pairs, turned, mirrored, swapped and re-exposed.

Every change keeps the geometry exact: a quarter turn of an image is a roll of its camera, a mirror
image is the image of a mirrored world, and swapping the images swaps the cameras. Each pair so
serves as 2 · 4 · 4 · 2 different ones.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from lunar_calib.datasets.shards import find_shards, open_shard
from lunar_calib.render.cameras import cam2world
from lunar_calib.render.renderer import sun_vector
from lunar_calib.render.spec import PairSpec
from lunar_runtime.errors import InputError
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lunar_distill.loop.options import RunOptions
from lunar_distill.loop.parallel import Workers

Image = NDArray[np.float32]
Matrix = NDArray[Any]
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Batch:
    """B pairs on the device of the network.

    Attributes:
        images: (2, B, H, W) float32 grey in [-1, 1], left then right.
        depths: (2, B, H, W) float32 Z-depth in metres in each one's own camera, NaN where unknown.
        left_from_right: (B, 4, 4) float32 pose, metres, OpenCV axes.
        focal_px: (B,) float32; the principal point is the image centre.
        suns: (2, B, 3) float32 unit vector to the sun in each one's own camera, NaN where unknown.
    """

    images: Tensor
    depths: Tensor
    left_from_right: Tensor
    focal_px: Tensor
    suns: Tensor

    def __len__(self) -> int:
        return self.focal_px.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


class OnePair(NamedTuple):
    """A pair before it is changed and stacked.

    Attributes:
        images: Left and right, (H, W) float32 grey 0 to 255.
        depths: (H, W) float32 metres each, NaN where unknown.
        right_from_left: (4, 4) float64, metres.
        focal_px: Of both.
        suns: (2, 3) directions in each one's camera, NaN where unknown.
    """

    images: list[Image]
    depths: list[Image]
    right_from_left: Matrix
    focal_px: float
    suns: Matrix


class PairSource(Protocol):
    """Square pairs of one size, by number."""

    @property
    def size_px(self) -> int:
        """Side of the images."""
        ...

    def __len__(self) -> int: ...

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        ...


def stack(pairs: list[OnePair], rng: np.random.Generator | None) -> Batch:
    """A batch of pairs, each changed at random where a generator is given."""
    if rng is not None:
        pairs = [_change(pair, rng) for pair in pairs]
    images = np.stack([np.stack(pair.images) for pair in pairs], axis=1)
    left_from_right = np.stack([np.linalg.inv(pair.right_from_left) for pair in pairs])
    return Batch(
        torch.from_numpy(images / np.float32(127.5) - np.float32(1.0)),
        torch.from_numpy(np.stack([np.stack(pair.depths) for pair in pairs], axis=1)),
        torch.from_numpy(left_from_right.astype(np.float32)),
        torch.tensor([pair.focal_px for pair in pairs]),
        torch.from_numpy(np.stack([pair.suns for pair in pairs], axis=1).astype(np.float32)),
    )


class RenderedPairs:
    """Every pair of some folders of shards, at one size.

    Args:
        folders: Where the shards are.
        size_px: Side that the pairs are brought to.
        damaged: If given, a line about each damaged shard is added to it instead of raising.

    Raises:
        InputError: A folder has none, or one is damaged.
    """

    def __init__(self, folders: list[Path], size_px: int, damaged: list[str] | None = None) -> None:
        self.size_px = size_px
        self.folders: list[Path] = []
        self.shards, self.suns = [], []
        for shard in (shard for folder in folders for shard in find_shards(folder)):
            try:
                arrays, suns = open_shard(shard), _shard_suns(shard / "specs.json")
            except InputError as error:
                if damaged is None:
                    raise
                damaged.append(str(error))
                continue
            self.folders.append(shard)
            self.shards.append(arrays)
            self.suns.append(suns)
        counts = [len(shard["intrinsics"]) for shard in self.shards]
        self.index = [(s, i) for s, count in enumerate(counts) for i in range(count)]

    def __getstate__(self) -> dict[str, Any]:
        """Another process maps the shards anew: pickled, they would be copied into its memory."""
        return {**self.__dict__, "shards": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open them."""
        self.__dict__.update(state, shards=[open_shard(folder) for folder in state["folders"]])

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        return stack([self._pair(int(number)) for number in numbers], rng)

    def _pair(self, number: int) -> OnePair:
        shard, row = self.index[number]
        arrays = self.shards[shard]
        images = [arrays[f"{side}_image"][row].astype(np.float32) for side in ("left", "right")]
        depths = [
            np.asarray(arrays[f"{side}_depth"][row], np.float32) for side in ("left", "right")
        ]
        scale = self.size_px / images[0].shape[0]
        return OnePair(
            [self._resize(image) for image in images],
            [self._resize(depth) for depth in depths],
            np.asarray(arrays["right_from_left"][row], np.float64),
            float(arrays["intrinsics"][row][0, 0]) * scale,
            self.suns[shard][row],
        )

    def _resize(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        if image.shape[0] == self.size_px:
            return image
        side = (self.size_px, self.size_px)
        return np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.float32)


def _change(pair: OnePair, rng: np.random.Generator) -> OnePair:
    images, depths, right_from_left, focal_px, suns = pair
    if rng.random() < 0.5:
        images = [image[:, ::-1] for image in images]
        depths = [depth[:, ::-1] for depth in depths]
        right_from_left = MIRROR @ right_from_left @ MIRROR
        suns = suns @ MIRROR[:3, :3]
    # A camera that sees the horizon mostly has it at the top; the tilt is hard to tell otherwise.
    both = int(rng.integers(4)) if rng.random() < 0.25 else 0
    extra = int(rng.integers(4)) if rng.random() < 0.15 else 0
    turns = (both, both + extra)
    images = [np.rot90(image, k) for image, k in zip(images, turns, strict=True)]
    depths = [np.rot90(depth, k) for depth, k in zip(depths, turns, strict=True)]
    right_from_left = _roll(turns[1]) @ right_from_left @ _roll(turns[0]).T
    suns = np.stack([_roll(k)[:3, :3] @ sun for k, sun in zip(turns, suns, strict=True)])
    if rng.random() < 0.5:
        images, depths = images[::-1], depths[::-1]
        right_from_left = np.linalg.inv(right_from_left)
        suns = suns[::-1]
    images = [_expose(image, rng) for image in images]
    return OnePair(images, depths, right_from_left, focal_px, suns)


def _shard_suns(specs: Path) -> NDArray[np.float64]:
    """(N, 2, 3) of a whole shard."""
    try:
        every = [PairSpec.from_dict(spec) for spec in json.loads(specs.read_text())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{specs}: damaged ({error}); render the shard again") from error
    return np.stack([pair_suns(spec) for spec in every])


def pair_suns(spec: PairSpec) -> NDArray[np.float64]:
    """(2, 3) directions to the sun in the left and right camera."""
    sun = sun_vector(spec.sun_azimuth_deg, spec.sun_elevation_deg)
    return np.stack([cam2world(camera)[:3, :3].T @ sun for camera in (spec.left, spec.right)])


def _roll(quarter_turns: int) -> NDArray[np.float64]:
    """New camera from old, for an image turned anticlockwise by `np.rot90`."""
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter_turns % 4]
    roll = np.eye(4)
    roll[:2, :2] = [[c, s], [-s, c]]
    return roll


def _expose(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Another exposure: gain, black level, a mild tone curve, noise."""
    if rng.random() < 0.5:
        return image
    gain, black, gamma = rng.uniform(0.5, 1.0), rng.uniform(0, 0.1), rng.uniform(0.8, 1.25)
    tone = np.float32(255 * (1 - black) * gain) * (image / np.float32(255)) ** np.float32(gamma)
    noise = rng.normal(0, rng.uniform(0, 2), image.shape)
    return np.asarray(np.clip(tone + 255 * black + noise, 0, 255), np.float32)


class _Feed(Dataset["Batch | Exception"]):
    """What a process trains on, by position; an error is handed over like a batch."""

    def __init__(self, pairs: PairSource, options: RunOptions, start: int, workers: Workers):
        self.pairs, self.options, self.start = pairs, options, start
        self.rank, self.world = workers.rank, workers.world

    def __getitem__(self, position: int) -> Batch | Exception:
        try:
            steps, place = divmod(position, self.options.accumulate // self.world)
            part = self.rank + place * self.world
            rng = np.random.default_rng([self.options.seed, self.start + steps, part])
            numbers = rng.integers(len(self.pairs), size=self.options.batch_size)
            return self.pairs.batch(numbers, rng)
        except Exception as error:
            return error


def batches(
    pairs: PairSource,
    options: RunOptions,
    start: int,
    workers: Workers | None = None,
    loaders: int = 0,
) -> Iterator[Batch]:
    """Endless random batches, prepared while the network computes.

    On the same pairs, batch `part` of step `start + k` of a seed is the same in every run, whatever
    the number of processes; each of those gets every `world`-th part of a step.

    Args:
        pairs: Where they are from.
        options: Of the run.
        start: The first step.
        workers: The processes that train.
        loaders: Processes that prepare batches; 0: a thread of this one, enough for a CPU.
    """
    feed = _Feed(pairs, options, start, workers or Workers())
    for batch in _in_processes(feed, loaders) if loaders else _in_a_thread(feed):
        if isinstance(batch, Exception):
            raise batch
        yield batch


def _in_a_thread(feed: _Feed) -> Iterator[Batch | Exception]:
    ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=4)

    def fill() -> None:
        for position in itertools.count():
            batch = feed[position]
            ready.put(batch)
            if isinstance(batch, Exception):
                return

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ready.get()


def _in_processes(feed: _Feed, count: int) -> Iterator[Batch | Exception]:
    # A process that is forked beside CUDA or OpenCV's threads may hang.
    loaded: Any = iter(
        DataLoader(
            feed,
            batch_size=None,
            sampler=itertools.count(),
            num_workers=count,
            worker_init_fn=_one_thread,
            multiprocessing_context="spawn",
            generator=torch.Generator(),  # PyTorch's own is the training's
        )
    )
    try:
        yield from loaded
    finally:
        # The feed is endless, so loaders are always stopped amid a batch. One that is just handing
        # it over may abort at its exit, which PyTorch takes for a failure of the run.
        with suppress(RuntimeError):
            loaded._shutdown_workers()


def _one_thread(loader: int) -> None:
    cv2.setNumThreads(1)
