"""PNG plots of a run. Needs matplotlib, which a board need not have."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.run import RunRecord
from lunar_bench.report.tables import label

_STAGES = ("decode", "preprocess", "inference", "geometry", "write")
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1")
_FAILED = "#d62728"
_DPI = 110
# What is plotted over the time: the first that an accuracy result has.
_ACCURACY = (
    ("slope_mae_deg", "slope MAE, degrees", 1.0),
    ("absrel_median", "AbsRel, %", 100.0),
)


def draw_plots(record: RunRecord) -> dict[str, bytes]:
    """File name -> PNG, of every plot that the run has something for."""
    drawers: dict[str, Callable[[RunRecord], Figure | None]] = {
        "latency.png": _latency,
        "stages.png": _stages,
        "memory.png": _memory,
        "roofline.png": _roofline,
        "pareto.png": _pareto,
        "long_run.png": _long_run,
    }
    plots = {}
    for name, draw in drawers.items():
        figure = draw(record)
        if figure is not None:
            stream = io.BytesIO()
            figure.savefig(stream, format="png", dpi=_DPI)
            plots[name] = stream.getvalue()
    return plots


def _latency(record: RunRecord) -> Figure | None:
    shown = [candidate for candidate in record.candidates if candidate.stages]
    if not shown:
        return None
    figure, axes = _figure(0.45 * len(shown) + 1.6)
    series = [np.array(c.stages["inference"].rounds_ms) for c in shown]
    positions = np.arange(len(shown))[::-1]
    axes.boxplot(
        series, positions=list(positions), orientation="horizontal", widths=0.5, showfliers=False
    )
    rng = np.random.default_rng(0)
    for position, times in zip(positions, series, strict=True):
        spread = position + rng.uniform(-0.18, 0.18, len(times))
        axes.plot(times, spread, ".", ms=4, alpha=0.45, color=_COLOURS[0])
    axes.set_xscale("log")
    _plain_ticks(axes)
    _names(axes, shown, positions)
    axes.set_xlabel("network, ms (every run, quartiles, 1.5 IQR; logarithmic)")
    return figure


def _stages(record: RunRecord) -> Figure | None:
    shown = [candidate for candidate in record.candidates if "total" in candidate.stages]
    if not shown:
        return None
    figure, axes = _figure(0.45 * len(shown) + 1.9)
    positions = np.arange(len(shown))[::-1]
    left = np.zeros(len(shown))
    for stage, colour in zip(_STAGES, _COLOURS, strict=True):
        width = np.array([c.stages[stage].median_ms for c in shown])
        axes.barh(positions, width, 0.55, left, label=stage, color=colour)
        left += width
    _names(axes, shown, positions)
    axes.set_xlabel("whole pair, ms (medians of the stages)")
    axes.legend(ncol=5, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return figure


def _memory(record: RunRecord) -> Figure | None:
    shown = [candidate for candidate in record.candidates if candidate.start]
    if not shown:
        return None
    figure, axes = _figure(0.5 * len(shown) + 1.9)
    positions = np.arange(len(shown))[::-1]
    rss = [c.start.peak_rss_mib for c in shown if c.start]
    axes.barh(positions + 0.2, rss, 0.36, label="peak RSS", color=_COLOURS[0])
    pss = [c.start.peak_pss_mib if c.start else None for c in shown]
    there = [(p, value) for p, value in zip(positions, pss, strict=True) if value is not None]
    if there:
        axes.barh(
            [p - 0.2 for p, _ in there],
            [value for _, value in there],
            0.36,
            label="peak PSS",
            color=_COLOURS[1],
        )
    _names(axes, shown, positions)
    axes.set_xlabel(
        "MiB, a fresh process: bundles from start to the map on the disk, networks alone once"
    )
    axes.legend(ncol=2, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return figure


def _roofline(record: RunRecord) -> Figure | None:
    points = [
        (f"{label(candidate)}: {part}", cost.gflop * 1e3 / cost.weight_mb, cost.gflop_per_s)
        for candidate in record.candidates
        for part, cost in candidate.parts.items()
        if part not in ("total", "other") and cost.gflop_per_s and cost.weight_mb
    ]
    if not points or record.peaks is None:
        return None
    figure, axes = _figure(4.6)
    intensity = np.geomspace(1, 1e4, 200)
    for number, (precision, peak) in enumerate(record.peaks.gemm_gflop_per_s.items()):
        roof = np.minimum(peak, intensity * record.peaks.copy_gb_per_s)
        axes.plot(intensity, roof, color=_COLOURS[number], label=f"measured peak, {precision}")
    for number, (name, x, y) in enumerate(points):
        marker = "os^Dv<>P*X"[number // 3 % 10]
        axes.plot(x, y, marker, color=_COLOURS[2 + number % 3], label=name, ms=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _plain_ticks(axes)
    axes.set_xlabel("FLOP per byte of weights")
    axes.set_ylabel("GFLOP/s")
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _pareto(record: RunRecord) -> Figure | None:
    found = {point.bundle_digest: point for point in record.accuracy}
    points = [
        (candidate, found[candidate.bundle.digest].medians)
        for candidate in record.candidates
        if candidate.kind == "bundle"
        and candidate.stages
        and candidate.bundle is not None
        and candidate.bundle.digest in found
    ]
    chosen = next((a for a in _ACCURACY if points and all(a[0] in m for _, m in points)), None)
    if chosen is None:
        return None
    figure, axes = _figure(4.2)
    name, axis, scale = chosen
    front: list[tuple[float, float]] = []  # nothing is both faster and more accurate
    for x, y in sorted((c.stages["inference"].median_ms, scale * m[name]) for c, m in points):
        if not front or y < front[-1][1]:
            front.append((x, y))
    axes.step(*zip(*front, strict=True), where="post", color="0.7", zorder=0)
    for candidate, medians in points:
        x, y = candidate.stages["inference"].median_ms, scale * medians[name]
        failed = candidate.bundle is not None and candidate.bundle.gate == "failed"
        axes.plot(x, y, "o", ms=9, color=_FAILED if failed else _COLOURS[0])
        axes.annotate(label(candidate), (x, y), xytext=(6, 6), textcoords="offset points")
    axes.set_xscale("log")
    _plain_ticks(axes)
    axes.margins(0.25)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("network, ms (median; logarithmic)")
    axes.set_ylabel(f"{axis} (median over pairs)")
    return figure


def _long_run(record: RunRecord) -> Figure | None:
    shown = [candidate for candidate in record.candidates if candidate.sustained]
    if not shown:
        return None
    figure, axes = _figure(5.0)
    for candidate, colour in zip(shown, _COLOURS, strict=False):
        times = np.array(candidate.stages.get("total", candidate.stages["inference"]).rounds_ms)
        end = candidate.sustained.minutes if candidate.sustained else 0.0
        minutes = np.linspace(0, end, len(times))
        axes.plot(minutes, times, ".", ms=3, color=colour, label=label(candidate))
    axes.set_xlabel("minutes")
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncol=3)
    if record.leak is not None:
        beside = axes.twinx()
        series = np.array(record.leak.series)
        beside.plot(series[:, 0] / 60, series[:, 1], color="0.5", lw=1)
        beside.set_ylabel("resident memory, MiB (grey)")
    return figure


def _first_digits(value: float, _: float) -> str:
    """Labels at 2 and 5 of a decade; all nine would overlap."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, max(height, 2.2)), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    return figure, axes


def _names(axes: Axes, shown: list[CandidateRecord], positions: np.ndarray) -> None:
    axes.set_yticks(positions, [label(candidate) for candidate in shown])
    for tick, candidate in zip(axes.get_yticklabels(), shown, strict=True):
        if label(candidate) != candidate.name:
            tick.set_color(_FAILED)


def _plain_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(_first_digits)
