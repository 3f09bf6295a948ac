"""Measures how quiet the machine is: what else runs, how evenly small work takes the same time."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import msgspec
import numpy as np

from lunar_bench.record.noise import Noise

# A quiet desktop machine stays below all of them.
_OTHERS = 0.10  # of the processors' time, to other processes
_STOLEN = 0.02  # of it, to other virtual machines
_UNEVEN = 1.15  # p90 of the probe over its median
_DRIFT = 1.10  # median of the probe's slower half of the run over the faster one's

_PROBE = bytes(1 << 20)


class NoiseMeter:
    """Measures from its making until `report`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._stat = root / "proc/stat"
        self._begin = self._read()
        self._probes: list[float] = []

    def probe(self) -> None:
        """Time the fixed piece of work once."""
        begin = time.perf_counter()
        hashlib.sha256(_PROBE).digest()
        self._probes.append(1e3 * (time.perf_counter() - begin))

    def report(self) -> Noise:
        """What was seen since the beginning."""
        if not self._probes:
            self.probe()
        end = self._read()
        total = max(end.total - self._begin.total, 1e-9)
        own = end.own - self._begin.own
        return judge(
            others=max(0.0, (end.busy - self._begin.busy - own) / total),
            stolen=(end.stolen - self._begin.stolen) / total,
            load=os.getloadavg()[0],
            probes=self._probes,
        )

    def _read(self) -> _Times:
        return _Times.parse(self._stat.read_text().splitlines()[0], sum(os.times()[:4]))


class _Times(msgspec.Struct, frozen=True):
    """Seconds since boot of all processors together, and of this process and its children."""

    total: float
    busy: float
    stolen: float
    own: float

    @classmethod
    def parse(cls, line: str, own: float) -> _Times:
        tick = os.sysconf("SC_CLK_TCK")
        user, nice, system, idle, wait, irq, softirq, steal = (
            int(ticks) / tick for ticks in line.split()[1:9]
        )
        busy = user + nice + system + irq + softirq
        return cls(busy + idle + wait + steal, busy, steal, own)


def judge(others: float, stolen: float, load: float, probes: list[float]) -> Noise:
    """Say whether a run was noisy.

    Args:
        others: Share of the processors' time that others took.
        stolen: Share that went to other machines.
        load: Load average.
        probes: Times of the probe, ms, in order.
    """
    times = np.asarray(probes)
    median, p90 = np.percentile(times, [50, 90])
    first, second = (
        (float(np.median(half)) for half in np.array_split(times, 2) if len(half))
        if (len(times) > 1)
        else (1.0, 1.0)
    )
    unevenness, drift = float(p90 / median), max(first, second) / min(first, second)
    reasons = []
    if others > _OTHERS:
        reasons.append(f"other processes took {others:.0%} of the processors")
    if stolen > _STOLEN:
        reasons.append(f"the hypervisor took {stolen:.0%} of the processors")
    if unevenness > _UNEVEN:
        reasons.append(f"the same work took {unevenness - 1:.0%} longer in one run of ten")
    if drift > _DRIFT:
        reasons.append(f"the machine's speed drifted by {drift - 1:.0%}")
    return Noise(
        noisy=bool(reasons),
        reasons=reasons,
        others=round(others, 4),
        stolen=round(stolen, 4),
        load_1min=round(load, 2),
        probe_ms=round(float(median), 3),
        probe_unevenness=round(unevenness, 3),
        probe_drift=round(drift, 3),
    )
