"""How quiet the machine was."""

from __future__ import annotations

import msgspec


class Noise(msgspec.Struct, frozen=True):
    """What disturbed the run.

    Attributes:
        noisy: Whether anything below was over its limit: trust ratios, not times.
        reasons: What, in words.
        others: Share of the processors' time that went to other processes.
        stolen: Share that the hypervisor gave to other machines.
        load_1min: Load average at the end.
        probe_ms: Median time of a fixed piece of work, hashing 1 MiB on one thread, once a round.
        probe_unevenness: Its 90th percentile over its median.
        probe_drift: Median over the run's second half by that over its first, or the inverse.
    """

    noisy: bool
    reasons: list[str]
    others: float
    stolen: float
    load_1min: float
    probe_ms: float
    probe_unevenness: float
    probe_drift: float
