"""May a graph of lower precision fly? Its slopes decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lunar_runtime.bundles.choices import Precision
from lunar_runtime.bundles.manifest import GateRecord
from lunar_runtime.errors import GateError

from lunar_export.judging.latency import Latency
from lunar_export.judging.slope_error import SlopeError

NOT_TIMED = "not timed here: no TensorRT target"
NOT_JUDGED = "the weights are random: there is no accuracy to judge"


@dataclass(frozen=True)
class GateLimits:
    """What a lower precision may lose, and how much of it may be given back to pass.

    Attributes:
        fp16_shift_deg: Mean change of a pixel's slope, in FP16 or bfloat16.
        int8_shift_deg: The same in INT8.
        miss_increase: Increase of the share of steep ground that is called safe.
        share_kept: Of the modules that may keep a higher precision. Beyond, most of the graph is
            what it was: the method is wrong, not some layer.
    """

    fp16_shift_deg: float = 0.1
    int8_shift_deg: float = 0.5
    miss_increase: float = 0.005  # half a point
    share_kept: float = 0.5

    def shift_deg(self, precision: Precision) -> float:
        """Of one precision."""
        return self.int8_shift_deg if precision == "int8" else self.fp16_shift_deg


#: What flies is held to these.
LIMITS = GateLimits()


@dataclass(frozen=True)
class GateSubject:
    """What is judged.

    Attributes:
        precision: `bf16`, `fp16` or `int8`.
        pairs: How many pairs it was measured on.
        pairs_source: Which, in words.
        fp32_bytes: Size of the FP32 graph.
        bytes: Size of this one.
        trained: False for random weights, which fail, whatever was measured.
    """

    precision: Precision
    pairs: int
    pairs_source: str
    fp32_bytes: int
    bytes: int
    trained: bool = True


def gate_record(
    subject: GateSubject,
    error: SlopeError,
    fp32: SlopeError,
    latency: Latency | None,
    limits: GateLimits = LIMITS,
) -> GateRecord:
    """Hold what was measured to the limits.

    Args:
        subject: What is judged.
        error: Of the graph.
        fp32: Of the FP32 student on the same pairs: its own misses.
        latency: None where the target is not this machine.
        limits: What is allowed.

    Returns:
        The measurements, and every limit that is broken.
    """
    lost = accuracy_failures(subject.precision, error, fp32, limits)
    accuracy = lost if subject.trained else (NOT_JUDGED,)
    return GateRecord(
        pairs=subject.pairs,
        pairs_source=subject.pairs_source,
        slope_shift_deg=error.shift_deg,
        slope_shift_limit_deg=limits.shift_deg(subject.precision),
        slope_mae_deg=error.mae_deg,
        fp32_slope_mae_deg=fp32.mae_deg,
        miss=_named(error.miss),
        fp32_miss=_named(fp32.miss),
        miss_increase_limit=limits.miss_increase,
        max_relative_error=error.max_relative_error if not error.not_finite else None,
        not_finite=error.not_finite,
        latency_ratio=None if latency is None else latency.ratio,
        latency=NOT_TIMED if latency is None else latency.where,
        fp32_bytes=subject.fp32_bytes,
        bytes=subject.bytes,
        failures=(*accuracy, *_slower(latency)),
    )


def accuracy_failures(
    precision: Precision, error: SlopeError, fp32: SlopeError, limits: GateLimits = LIMITS
) -> tuple[str, ...]:
    """Every limit that is broken, in words."""
    failures = []
    if error.not_finite:
        failures.append(f"{error.not_finite} values are NaN or infinite")
    allowed = limits.shift_deg(precision)
    if not error.shift_deg <= allowed:
        failures.append(f"slopes shift by {error.shift_deg:.2f} deg, {allowed} is allowed")
    for hazard, before in fp32.miss.items():
        after = error.miss[hazard]
        if before is None:
            continue
        if after is None or not after - before <= limits.miss_increase:
            rise = "all" if after is None else f"{100 * (after - before):.2f} points more"
            failures.append(
                f"{rise} of the ground over {hazard:.0f} deg is called safe, "
                f"{100 * limits.miss_increase} is allowed"
            )
    return tuple(failures)


def require_gate(precision: Precision, gate: GateRecord) -> None:
    """Refuse what failed.

    Raises:
        GateError: Every reason, and what to do.
    """
    if gate.failures:
        raise GateError(
            f"the {precision} graph fails its gate: {'; '.join(gate.failures)}; nothing was "
            "written. Use another precision or other calibration pairs (`calib`), or `force` for a "
            "bundle that says that it failed"
        )


def _slower(latency: Latency | None) -> tuple[str, ...]:
    if latency is None or latency.ratio < 1:
        return ()
    return (f"it takes {latency.ratio:.2f} times as long as fp32 ({latency.where})",)


def _named(shares: Mapping[float, float | None]) -> dict[str, float | None]:
    return {f"{hazard:.0f}": share for hazard, share in shares.items()}
