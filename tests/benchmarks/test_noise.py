from __future__ import annotations

from pathlib import Path

import pytest
from lunar_bench.sensors.noise_meter import NoiseMeter, judge

from .recorded_boards import write


def test_a_quiet_run_says_so() -> None:
    found = judge(0.01, 0.0, 0.5, [10.0, 10.1, 10.0, 10.05] * 10)
    assert not found.noisy
    assert found.reasons == []
    assert found.probe_ms == pytest.approx(10.025, abs=0.01)


@pytest.mark.parametrize(
    "others, stolen, probes, reason",
    [
        (0.3, 0.0, [10.0] * 20, "other processes took 30% of the processors"),
        (0.0, 0.05, [10.0] * 20, "the hypervisor took 5% of the processors"),
        (0.0, 0.0, [10.0] * 15 + [13.0] * 5, "the same work took 30% longer in one run of ten"),
        (0.0, 0.0, [10.0] * 10 + [11.2] * 10, "the machine's speed drifted by 12%"),
        (0.0, 0.0, [11.2] * 10 + [10.0] * 10, "the machine's speed drifted by 12%"),
    ],
)
def test_a_noisy_run_says_why(
    others: float, stolen: float, probes: list[float], reason: str
) -> None:
    found = judge(others, stolen, 1.0, probes)
    assert found.noisy
    assert reason in found.reasons


def test_shares_are_of_all_processors_and_without_this_process(tmp_path: Path) -> None:
    # user nice system idle iowait irq softirq steal, in ticks of 10 ms
    write(tmp_path, {"proc/stat": "cpu 1000 0 0 9000 0 0 0 0 0 0"})
    meter = NoiseMeter(tmp_path)
    meter.probe()
    write(tmp_path, {"proc/stat": "cpu 11000 0 2000 24000 1000 0 0 2000 0 0"})
    found = meter.report()
    # 300 s of processors' time: 120 s busy, nearly none of it ours, and 20 s stolen.
    assert found.others == pytest.approx(120 / 300, abs=0.01)
    assert found.stolen == pytest.approx(20 / 300, abs=1e-3)
