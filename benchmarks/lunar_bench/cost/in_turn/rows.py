"""The runs of one candidate, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lunar_bench.record.candidate import Energy
from lunar_bench.record.memory import Leak
from lunar_bench.record.run import STAGES
from lunar_bench.record.times import Deadline, Sustained, Timing
from lunar_bench.sensors.sampler import Sampler
from lunar_bench.timing.statistics import Interval, slope, summarise

_FEWEST_FOR_A_LEAK = 20
_TENTH = 10
_KEPT_POINTS = 300


class Rows:
    """Round number -> stage -> milliseconds, and when each run was."""

    def __init__(self) -> None:
        self._rounds: dict[int, dict[str, float]] = {}
        self._spans: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self._rounds)

    def add(self, number: int, stages: dict[str, float], span: tuple[float, float]) -> None:
        """Note a run: its round, its stages, its (begin, end) in seconds."""
        self._rounds[number] = stages
        self._spans.append(span)

    def stages(self) -> dict[str, Timing]:
        """Stage -> its times, in the order of the stages."""
        return {
            stage: summarise(times)
            for stage in STAGES
            if (times := [row[stage] for row in self._rounds.values() if stage in row])
        }

    def pairs_per_s(self) -> float:
        """Of runs back to back."""
        return round(1.0 / float(np.mean([end - begin for begin, end in self._spans])), 4)

    def common(self, other: Rows, stage: str) -> tuple[list[float], list[float]] | None:
        """Times of a stage in the rounds that both have; None if there are none."""
        rounds = [
            number
            for number, row in self._rounds.items()
            if stage in row and stage in other._rounds.get(number, {})
        ]
        if not rounds:
            return None
        return (
            [self._rounds[number][stage] for number in rounds],
            [other._rounds[number][stage] for number in rounds],
        )

    def energy(self, sampler: Sampler, idle: tuple[float, float]) -> Energy | None:
        """Joules per pair; None where no power is measured."""
        mean_w, idle_w = sampler.mean_power_w(self._spans), sampler.mean_power_w([idle])
        if mean_w is None or idle_w is None:
            return None
        seconds = float(np.mean([end - begin for begin, end in self._spans]))
        return Energy(
            joules_per_pair=round(mean_w * seconds, 4),
            mean_w=round(mean_w, 3),
            above_idle_joules=round((mean_w - idle_w) * seconds, 4),
            idle_w=round(idle_w, 3),
        )

    def deadline(self, deadline_ms: float) -> Deadline | None:
        """Misses, of whole runs; None before the first."""
        if not self._spans:
            return None
        times = [1e3 * (end - begin) for begin, end in self._spans]
        streak = longest = 0
        for ms in times:
            streak = streak + 1 if ms > deadline_ms else 0
            longest = max(longest, streak)
        return Deadline(
            deadline_ms=deadline_ms,
            runs=len(times),
            misses=sum(ms > deadline_ms for ms in times),
            longest_streak=longest,
            worst_ms=round(max(times), 3),
        )

    def sustained(self) -> Sustained | None:
        """Drift over the run; None for fewer than two runs."""
        if len(self._spans) < 2:
            return None
        begins = np.array([begin for begin, _ in self._spans])
        times = np.array([end - begin for begin, end in self._spans])
        tenth = max(1, len(times) // _TENTH)
        middle = float(np.median(times))
        found = slope((begins - begins[0]) / 3600, 100 * times / middle)
        return Sustained(
            minutes=round(float(self._spans[-1][1] - begins[0]) / 60, 2),
            drift=round(float(np.median(times[-tenth:]) / np.median(times[:tenth])), 4),
            slope_percent_per_hour=round(found.value, 3),
            slope_interval=_bounds(found),
        )


def leak_of(resident: Sequence[tuple[float, float]]) -> Leak | None:
    """What memory does over a run.

    Args:
        resident: (seconds, MiB) after each round.

    Returns:
        None for fewer than 20 rounds.
    """
    if len(resident) < _FEWEST_FOR_A_LEAK:
        return None
    settled = np.array(resident[len(resident) // _TENTH :])
    found = slope(settled[:, 0] / 3600, settled[:, 1])
    keep = np.unique(np.linspace(0, len(resident) - 1, _KEPT_POINTS).round().astype(int))
    return Leak(
        mib_per_hour=round(found.value, 2),
        interval=_bounds(found),
        first_mib=round(resident[0][1], 1),
        last_mib=round(resident[-1][1], 1),
        series=[(round(resident[i][0], 2), round(resident[i][1], 1)) for i in keep],
    )


def _bounds(interval: Interval) -> tuple[float, float] | None:
    if interval.low is None or interval.high is None:
        return None
    return round(interval.low, 3), round(interval.high, 3)
