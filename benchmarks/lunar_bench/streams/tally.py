"""What the updates of one run of a stream are, held against the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import Descent, read_descent
from lunar_runtime.stream.update import StreamUpdate
from numpy.typing import NDArray

from lunar_bench.streams.record import StreamRow
from lunar_bench.timing.statistics import slope

_WORDS = 6
_PARTS = 6  # of a run, whose resident memory is told
_BLOCK = 10  # frames: some pairs are worked out meanwhile


@dataclass(frozen=True)
class Known:
    """A descent in memory, with its truth on disk."""

    folder: Path
    descent: Descent
    images: list[NDArray[np.uint8]]

    @property
    def true_poses(self) -> NDArray[np.float64]:
        """(N, 4, 4) world from camera, of every frame."""
        return np.array([frame.true_world_from_camera for frame in self.descent.frames])

    def depth(self, number: int) -> NDArray[np.float32]:
        """(H, W) the frame's true depth, m."""
        truth = self.descent.frames[number].truth
        assert truth is not None
        with np.load(self.folder / truth) as file:
            return np.asarray(file["depth_m"], np.float32)


def read_known(folder: Path) -> Known:
    """A rendered descent.

    Raises:
        InputError: The folder holds none, or an image cannot be read.
    """
    descent = read_descent(folder)
    if any(frame.truth is None for frame in descent.frames) or descent.rendered is None:
        raise InputError(f"{folder}: no truth in it; give a folder of `lunar-calib descent`")
    images = []
    for frame in descent.frames:
        image = cv2.imread(str(folder / frame.file), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise InputError(f"{folder / frame.file}: cannot be read; render the descent again")
        images.append(np.asarray(image, np.uint8))
    return Known(folder, descent, images)


class Tally:
    """What the updates of one run are; none of them is kept."""

    def __init__(self, known: Known, numbers: list[int]) -> None:
        self._known, self._numbers = known, numbers
        self._shape: list[float] = []
        self._scale: list[float] = []
        self._sigmas: list[float] = []
        self._times_s: list[float] = []
        self._refused: Counter[str] = Counter()
        self._guessed: Counter[str] = Counter()
        self._stages: dict[str, list[float]] = {}

    def add(self, update: StreamUpdate) -> None:
        """Count an update, and hold a measured one against the truth."""
        self._times_s.append(update.time_s)
        for stage, ms in update.latency_ms.items():
            self._stages.setdefault(stage, []).append(ms)
        result = update.result
        if result is None:
            self._refused[_first(update.refused or "")] += 1
            return
        if result.verdict == "guessed":
            self._guessed[_first(result.verdict_reasons[0])] += 1
            return
        ratio = result.depth / self._known.depth(self._numbers[update.number])
        middle = float(np.nanmedian(ratio))
        self._shape.append(float(np.nanmedian(np.abs(ratio / middle - 1))))
        if result.unit == "m":
            self._scale.append(abs(middle - 1))
            self._sigmas.append(self._scale[-1] / (result.scale.sigma or np.inf))

    def row(
        self, situation: str, counts: dict[str, int], memory: list[float], cpu_s: float
    ) -> StreamRow:
        """What came of the run.

        Args:
            situation: Its name.
            counts: Of the stream.
            memory: Resident, MiB, after every frame.
            cpu_s: Processor time of a pair.
        """
        half = len(memory) // 2
        block = max(1, min(_BLOCK, half // 4))
        tens = np.arange(half, len(memory), block)
        most = [1024 * max(memory[first : first + block]) for first in tens]
        grown = slope(tens.tolist(), most)
        sixths = [max(part.tolist(), default=0.0) for part in np.array_split(memory, _PARTS)]
        settled = sixths[_PARTS // 3 :]
        between = np.diff(self._times_s) if len(self._times_s) > 1 else [0.0]
        return StreamRow(
            situation=situation,
            counts=counts,
            pairs=counts["pairs"],
            measured=len(self._shape),
            metric=len(self._scale),
            refused=dict(self._refused),
            guessed=dict(self._guessed),
            latency_ms=_percentiles(self._stages.get("total", []), (50, 95, 100)),
            stage_ms={stage: round(float(np.median(ms)), 1) for stage, ms in self._stages.items()},
            cpu_s=round(cpu_s, 3),
            interval_s=_percentiles(between, (50, 100)),
            shape_error=_percentiles(self._shape, (50, 95), 6),
            scale_error=_percentiles(self._scale, (50, 100), 5),
            scale_sigmas=_percentiles(self._sigmas, (50, 100), 2),
            resident_mib=[round(part, 1) for part in sixths],
            resident_spread=round((max(settled) - min(settled)) / float(np.mean(settled)), 4),
            kib_per_frame=round(grown.value, 2),
        )


def _first(words: str) -> str:
    return " ".join(words.split()[:_WORDS])


def _percentiles(
    values: Sequence[float] | NDArray[np.float64], at: tuple[int, ...], digits: int = 1
) -> list[float]:
    if len(values) == 0:
        return [0.0] * len(at)
    return [round(float(value), digits) for value in np.percentile(np.asarray(values), at)]
