"""What `lunar-export` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lunar_runtime.bundles.choices import Precision

if TYPE_CHECKING:
    from lunar_runtime.bundles.manifest import GateRecord, Manifest

    from lunar_export.commands.job import Done


def gate_table(precision: Precision, gate: GateRecord) -> list[str]:
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


def summary(done: Done) -> list[str]:
    """What was made, a line each."""
    bundle, manifest = done.bundle, done.bundle.manifest
    graph, parity = manifest.graph, manifest.parity
    size = sum(record.bytes for record in manifest.files.values())
    worst = max(parity.outputs.values(), key=lambda output: output.max_relative_error)
    rows = [
        ("bundle", f"{bundle.path}, {size / 1e6:.1f} MB"),
        ("network", f"{manifest.student.id}, {manifest.student.parameters / 1e6:.1f} M parameters"),
        ("graph", f"{graph.output_set}, {graph.height} x {graph.width} px, {_made_for(manifest)}"),
        (
            "parity",
            f"{worst.max_relative_error:.1e} at most, {parity.tolerance:.0e} allowed "
            f"({parity.pairs} pairs: {parity.pairs_source})",
        ),
    ]
    if graph.encoder is not None:
        view = sum(4 * math.prod(feature.shape) for feature in graph.encoder.features)
        rows.append(("split", f"encoder and decoder; features of a view: {view / 1e6:.1f} MB"))
    if manifest.calibration is not None and manifest.reduction is not None:
        ranges = manifest.calibration
        kept = len(manifest.reduction.kept)
        rows += [
            ("ranges", f"{ranges.source}, {ranges.method}"),
            ("kept", f"{kept} nodes in a higher precision ({manifest.reduction.layers} layers)"),
            ("gate", manifest.gate),
        ]
    rows += [("engine", str(engine.path)) for engine in done.engines]
    if done.triton is not None:
        rows.append(("triton", str(done.triton)))
    return [f"{name:<9}{text}" for name, text in rows]


def _made_for(manifest: Manifest) -> str:
    if manifest.precision == "fp32" and manifest.target != "openvino":
        return "fp32"
    return f"{manifest.precision} for {manifest.target}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2%}"
