from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.sensors.find import find_sensors
from lunar_bench.sensors.sampler import Sampler
from lunar_bench.sensors.sensor import Kind, Sensor

from .recorded_boards import orin_agx, write


def sampler(
    values: Iterable[float | None],
    kind: Kind = "power",
    name: str = "VDD_IN",
    counts: bool = False,
    interval_s: float = 0.01,
) -> Sampler:
    source = iter(values)
    sensor = Sensor(name, kind, "made", lambda: next(source, None), counts)
    return Sampler([sensor], interval_s=interval_s)


def watch(one: Sampler, seconds: float) -> Sampler:
    one.start()
    time.sleep(seconds)
    one.stop()
    return one


def at(times: Iterable[float], watts: Iterable[float]) -> Sampler:
    """A sampler that has seen one rail."""
    one = sampler([])
    one._times, one._values = list(times), [[w] for w in watts]
    return one


def test_energy_is_the_area_under_the_power() -> None:
    # 10 W at 0 s to 20 W at 1 s and 20 W from there on: 15 J, then 20 J.
    one = at([0.0, 1.0, 2.0], [10.0, 20.0, 20.0])
    assert one.mean_power_w([(0.0, 1.0)]) == pytest.approx(15.0)
    assert one.mean_power_w([(0.0, 2.0)]) == pytest.approx(17.5)
    assert one.mean_power_w([(0.25, 0.75)]) == pytest.approx(15.0)
    assert one.mean_power_w([(0.0, 0.5)]) == pytest.approx(12.5)


def test_interleaved_candidates_are_told_apart() -> None:
    # A machine that draws 30 W in every even tenth of a second and 10 W in every odd one.
    times = np.arange(0, 10, 0.001)
    one = at(times, np.where((times * 10).astype(int) % 2, 10.0, 30.0))
    even = [(0.2 * n + 0.005, 0.2 * n + 0.095) for n in range(40)]
    odd = [(0.2 * n + 0.105, 0.2 * n + 0.195) for n in range(40)]
    assert one.mean_power_w(even) == pytest.approx(30.0)
    assert one.mean_power_w(odd) == pytest.approx(10.0)


def test_without_a_power_sensor_or_samples_there_is_no_energy() -> None:
    assert sampler([], kind="temperature").mean_power_w([(0, 1)]) is None
    assert at([0.0, 1.0], [10.0, 10.0]).mean_power_w([(5.0, 6.0)]) is None
    assert at([0.0, 1.0], [10.0, 10.0]).mean_power_w([]) is None
    assert sampler([]).mean_power_w([(0, 1)]) is None


def test_rails_are_added_and_a_moment_that_lacks_one_is_left_out() -> None:
    rails = [
        Sensor(name, "power", "made", lambda: None)
        for name in ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO")
    ]
    one = Sampler(rails)
    one._times = [0.0, 1.0, 2.0]
    one._values = [[5.0, 3.0, 2.0, 1.0], [5.0, None, 2.0, 1.0], [5.0, 3.0, 2.0, 1.0]]
    assert one.mean_power_w([(0.0, 2.0)]) == pytest.approx(10.0)


def test_a_gauge_has_its_range_and_a_counter_its_growth() -> None:
    gauge = watch(
        sampler(itertools.chain([40.0, 50.0], itertools.repeat(45.0)), "temperature"), 0.2
    )
    (channel,) = gauge.report().channels
    assert (channel.minimum, channel.median, channel.maximum) == (40.0, 45.0, 50.0)
    assert channel.unit == "°C"
    assert len(channel.series) > 2
    counter = watch(sampler(itertools.count(37), "throttling", "over-current", counts=True), 0.2)
    report = counter.report()
    assert report.channels[0].median == len(counter._times) - 1
    assert report.throttled == ["over-current"]


def test_no_new_events_are_no_throttling_and_no_counters_are_no_answer() -> None:
    quiet = watch(sampler(itertools.repeat(37), "throttling", counts=True), 0.1)
    assert quiet.report().throttled == []
    assert watch(sampler(itertools.repeat(5.0)), 0.1).report().throttled is None


def test_a_sensor_that_fails_once_is_left_out_there_and_one_that_never_answers_is_absent() -> None:
    some = watch(sampler(itertools.chain([None, 7.0, None], itertools.repeat(7.0))), 0.2).report()
    assert (some.channels[0].minimum, some.channels[0].maximum) == (7.0, 7.0)
    never = watch(sampler([]), 0.1).report()
    assert never.channels == []
    assert "power" in never.absent
    assert never.power_rails == []


def test_a_boards_files_are_sampled_as_they_change(tmp_path: Path) -> None:
    root = orin_agx(tmp_path)
    one = Sampler(find_sensors(root), interval_s=0.01)
    one.start()
    time.sleep(0.1)
    write(root, {"sys/class/hwmon/hwmon5/oc3_event_cnt": 39})
    time.sleep(0.1)
    one.stop()
    report = one.report()
    assert report.throttled == ["over-current oc3"]
    assert report.power_rails == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert list(report.absent) == ["memory clock"]
