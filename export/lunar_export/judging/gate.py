"""May a graph of lower precision fly? Its slopes decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lunar_runtime.bundles.manifest import GateRecord
from lunar_runtime.errors import GateError

from lunar_export.judging.slope_error import SlopeError

SLOPE_SHIFT_DEG = {"fp16": 0.1, "int8": 0.5}
MISS_INCREASE = 0.005  # half a point
NOT_TIMED = "not timed here: no TensorRT target"
NOT_JUDGED = "the weights are random: there is no accuracy to judge"


@dataclass(frozen=True)
class Latency:
    """How long a pair takes, beside the precision that is replaced.

    Attributes:
        ratio: Of the medians, measured in turn; below 1 is faster.
        where: Library, device and threads, in words.
    """

    ratio: float
    where: str


def judge(
    precision: str,
    error: SlopeError,
    fp32: SlopeError,
    latency: Latency | None,
    pairs: int,
    pairs_source: str,
    size: tuple[int, int],
    *,
    unjudged: bool = False,
) -> GateRecord:
    """Hold what was measured to the limits.

    Args:
        precision: `fp16` or `int8`.
        error: Of the graph.
        fp32: Of the FP32 student on the same pairs: its own misses.
        latency: None where the target is not this machine.
        pairs: How many.
        pairs_source: Which, in words.
        size: Bytes of the graph in FP32 and in this precision.
        unjudged: The weights are random: it fails, whatever was measured.
    """
    accuracy = (NOT_JUDGED,) if unjudged else accuracy_failures(precision, error, fp32)
    return GateRecord(
        pairs=pairs,
        pairs_source=pairs_source,
        slope_shift_deg=error.shift_deg,
        slope_shift_limit_deg=SLOPE_SHIFT_DEG[precision],
        slope_mae_deg=error.mae_deg,
        fp32_slope_mae_deg=fp32.mae_deg,
        miss=_named(error.miss),
        fp32_miss=_named(fp32.miss),
        miss_increase_limit=MISS_INCREASE,
        max_relative_error=error.max_relative_error if not error.not_finite else None,
        not_finite=error.not_finite,
        latency_ratio=None if latency is None else latency.ratio,
        latency=NOT_TIMED if latency is None else latency.where,
        fp32_bytes=size[0],
        bytes=size[1],
        failures=(*accuracy, *_slower(latency)),
    )


def accuracy_failures(precision: str, error: SlopeError, fp32: SlopeError) -> tuple[str, ...]:
    """Every limit that is broken, in words."""
    failures = []
    if error.not_finite:
        failures.append(f"{error.not_finite} values are NaN or infinite")
    limit = SLOPE_SHIFT_DEG[precision]
    if not error.shift_deg <= limit:
        failures.append(f"slopes shift by {error.shift_deg:.2f} deg, {limit} is allowed")
    for hazard, before in fp32.miss.items():
        after = error.miss[hazard]
        if before is None:
            continue
        if after is None or not after - before <= MISS_INCREASE:
            rise = "all" if after is None else f"{100 * (after - before):.2f} points more"
            failures.append(
                f"{rise} of the ground over {hazard:.0f} deg is called safe, "
                f"{100 * MISS_INCREASE} is allowed"
            )
    return tuple(failures)


def require_gate(precision: str, gate: GateRecord) -> None:
    """Refuse what failed.

    Raises:
        GateError: Every reason, and what to do.
    """
    if gate.failures:
        raise GateError(
            f"the {precision} graph fails its gate: {'; '.join(gate.failures)}; nothing was "
            "written. Use another precision or other calibration pairs (--calib), or --force for a "
            "bundle that says that it failed"
        )


def table(precision: str, gate: GateRecord) -> list[str]:
    """The gate's measurements, a line each."""
    rows: list[Sequence[str]] = [
        ("", "fp32", precision, "allowed"),
        ("size, MB", f"{gate.fp32_bytes / 1e6:.1f}", f"{gate.bytes / 1e6:.1f}", ""),
        (
            "slope MAE shift, deg", "", f"{gate.slope_shift_deg:.3f}",
            f"{gate.slope_shift_limit_deg:g}",
        ),
        ("slope MAE, deg", _number(gate.fp32_slope_mae_deg), _number(gate.slope_mae_deg), ""),
    ]  # fmt: skip
    for hazard, share in gate.miss.items():
        allowed = f"+{100 * gate.miss_increase_limit:g} points"
        rows.append(
            (f"miss at {hazard} deg", _percent(gate.fp32_miss[hazard]), _percent(share), allowed)
        )
    worst = gate.max_relative_error
    rows += [
        ("largest pointmap error", "", "not finite" if worst is None else f"{worst:.2%}", ""),
        ("NaN", "0", str(gate.not_finite), "0"),
        (
            "latency ratio", "1",
            "-" if gate.latency_ratio is None else f"{gate.latency_ratio:.2f}", "below 1",
        ),
    ]  # fmt: skip
    lines = [f"{name:<24}{a:>10}{b:>12}{c:>14}".rstrip() for name, a, b, c in rows]
    return [*lines, f"on {gate.pairs} pairs ({gate.pairs_source}); {gate.latency}"]


def _slower(latency: Latency | None) -> tuple[str, ...]:
    if latency is None or latency.ratio < 1:
        return ()
    return (f"it takes {latency.ratio:.2f} times as long as fp32 ({latency.where})",)


def _named(shares: Mapping[float, float | None]) -> dict[str, float | None]:
    return {f"{hazard:.0f}": share for hazard, share in shares.items()}


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"
