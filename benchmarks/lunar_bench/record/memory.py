"""Memory of processes and devices, and what a fresh process takes."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record


class FreshStart(msgspec.Struct, frozen=True):
    """From nothing to the first map on the disk, in a process of its own.

    A baseline's ends with the network's outputs in memory, and is run once.

    Attributes:
        cold_s: With the bundle's files out of the page cache; the libraries may be in it.
        warm_s: Again, with the files in the cache.
        peak_rss_mib: Largest peak of resident memory.
        peak_pss_mib: Largest PSS seen, every 20 ms, in a run of its own; None where the kernel
            does not tell.
    """

    cold_s: float
    warm_s: list[float]
    peak_rss_mib: float
    peak_pss_mib: float | None


class DeviceMemory(msgspec.Struct, frozen=True):
    """Device memory of one candidate, MiB. None = not measured, as on a CPU.

    Attributes:
        driver: Less free memory after loading and one run than before (`cuMemGetInfo`).
        engine: What the runtime's engine took, by its own account.
        allocator: Peak of PyTorch's allocator.
    """

    driver: float | None
    engine: float | None
    allocator: float | None


class Leak(Record, frozen=True, kw_only=True):
    """Resident memory of the measuring process over the run.

    Attributes:
        mib_per_hour: Robust slope, the first tenth of the run left out.
        interval: Its 95 % interval, or None.
        first_mib: At the first round.
        last_mib: At the last.
        series: (seconds, MiB), thinned to 300 points.
    """

    mib_per_hour: float
    interval: tuple[float, float] | None
    first_mib: float
    last_mib: float
    series: list[tuple[float, float]]
