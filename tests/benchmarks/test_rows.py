from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from lunar_bench.cost.in_turn.rows import Rows, leak_of
from lunar_bench.sensors.sampler import Sampler
from lunar_bench.sensors.sensor import Sensor


def rows(seconds: Iterable[float], gap: float = 0.0) -> Rows:
    made, now = Rows(), 0.0
    for number, duration in enumerate(seconds):
        stages = {"inference": 500 * duration, "total": 1000 * duration}
        made.add(number, stages, (now, now + duration))
        now += duration + gap
    return made


def test_misses_are_counted_also_in_a_row() -> None:
    deadline = rows([0.1, 0.3, 0.3, 0.1, 0.3, 0.2]).deadline(200)
    assert deadline is not None
    assert (deadline.runs, deadline.misses, deadline.longest_streak) == (6, 3, 2)
    assert deadline.worst_ms == pytest.approx(300)
    assert Rows().deadline(200) is None


def test_pairs_per_second_do_not_count_the_other_candidates() -> None:
    assert rows([0.25] * 4, gap=3.0).pairs_per_s() == pytest.approx(4.0)


def test_only_rounds_that_both_have_are_compared() -> None:
    first, second = rows([1, 2, 3]), Rows()
    second.add(0, {"inference": 7.0}, (0, 1))
    second.add(2, {"inference": 9.0}, (1, 2))
    assert first.common(second, "inference") == ([500, 1500], [7, 9])
    assert first.common(second, "total") is None


def test_a_machine_that_slows_down_drifts() -> None:
    # Ten minutes, over which a run becomes 20 % slower.
    seconds = np.linspace(1.0, 1.2, 545)
    sustained = rows(seconds).sustained()
    assert sustained is not None and sustained.slope_interval is not None
    assert sustained.minutes == pytest.approx(10.0, rel=0.01)
    # Medians of the first and last tenth: 1.01 and 1.19.
    assert sustained.drift == pytest.approx(1.19 / 1.01, abs=0.002)
    low, high = sustained.slope_interval
    assert low <= sustained.slope_percent_per_hour <= high
    # 20 % of the first, 18.2 % of the median run, in a sixth of an hour.
    assert sustained.slope_percent_per_hour == pytest.approx(18.2 * 6, rel=0.02)


def test_memory_that_settles_is_no_leak_and_memory_that_grows_is() -> None:
    seconds = np.arange(0, 1800, 2.0)
    warming = [(t, 300 - 100 * np.exp(-t / 20)) for t in seconds]
    warm = leak_of(warming)
    assert warm is not None
    assert warm.mib_per_hour == pytest.approx(0.0, abs=0.1)
    leaking = leak_of([(t, 300 + t / 3600 * 30) for t in seconds])
    assert leaking is not None
    assert leaking.mib_per_hour == pytest.approx(30.0, rel=1e-3)
    assert (leaking.first_mib, leaking.last_mib) == (300.0, 315.0)
    assert len(leaking.series) == 300
    assert leak_of(warming[:19]) is None


def test_energy_is_power_times_time_and_above_idle() -> None:
    sampler = Sampler([Sensor("VDD_IN", "power", "made", lambda: None)])
    sampler._times = [0.0, 1.0, 1.001, 9.0]
    sampler._values = [[5.0], [5.0], [20.0], [20.0]]
    made = Rows()
    made.add(0, {"inference": 2000.0}, (2.0, 4.0))
    made.add(1, {"inference": 2000.0}, (5.0, 7.0))
    energy = made.energy(sampler, (0.0, 1.0))
    assert energy is not None
    assert energy.joules_per_pair == pytest.approx(40.0)
    assert energy.above_idle_joules == pytest.approx(30.0)
    assert (energy.mean_w, energy.idle_w) == (20.0, 5.0)
    assert Rows().energy(Sampler([]), (0.0, 1.0)) is None
