"""Arithmetic, bytes and bounds of a network's parts, and the peaks that bound them."""

from __future__ import annotations

from lunar_bench.record.base import Record


class PartCost(Record, frozen=True, kw_only=True):
    """One part of a network's graph.

    Attributes:
        gflop: Multiplications and additions of its matrix products and convolutions, 1e9.
        weight_mb: Its constants, 1e6 bytes.
        activation_mb: What its operators read and write if none is fused, 1e6 bytes.
        time_ms: Measured, all its operators; None where the library does not tell.
        bound_ms: The longer of its arithmetic at the measured GEMM peak and its weights at the
            measured copy peak: no program can be faster on this machine. None without peaks.
        gflop_per_s: Achieved; None without a time.
        of_peak: bound_ms / time_ms.
    """

    gflop: float
    weight_mb: float
    activation_mb: float
    time_ms: float | None = None
    bound_ms: float | None = None
    gflop_per_s: float | None = None
    of_peak: float | None = None


class Peaks(Record, frozen=True, kw_only=True):
    """What this machine reaches at best.

    Attributes:
        gemm_gflop_per_s: Precision -> a large square matrix product in the same library.
        copy_gb_per_s: A large copy, bytes read and written.
        threads: Used for both.
        how: With what they were measured.
    """

    gemm_gflop_per_s: dict[str, float]
    copy_gb_per_s: float
    threads: int
    how: str
