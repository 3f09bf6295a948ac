"""Endless random batches for a run, prepared while the network computes."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lunar_distill.data.batch import Batch
from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.loop.workers import Workers


class _Feed(Dataset["Batch | Exception"]):
    """What a process trains on, by position; an error is handed over like a batch."""

    def __init__(
        self, pairs: TrainingPairs, options: TrainingOptions, start: int, workers: Workers
    ):
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
    pairs: TrainingPairs,
    options: TrainingOptions,
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
