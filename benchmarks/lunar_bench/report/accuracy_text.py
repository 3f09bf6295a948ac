"""Accuracy as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.accuracy.report import AccuracyReport, MethodAccuracy

_HEAD = (
    f"{'':24} {'AbsRel %':>15} {'slope MAE °':>13} {'relief':>6} {'cover':>5} "
    f"{'miss 10°':>8} {'miss 15°':>8} {'alarm 15°':>9} {'AUSE':>11} {'pose AUC@20':>11}"
)


def summary_lines(report: AccuracyReport) -> Iterator[str]:
    """Two tables: by our definitions, by the published ones; then what failed."""
    height, width = report.size
    partial = "INTERRUPTED; " if report.partial else ""
    yield (
        f"{partial}{report.pair_count} {report.data} pairs at {height}x{width}, "
        "medians over pairs; in brackets the best plane on the same pixels"
    )
    yield _HEAD
    for method in report.methods:
        yield _own(_name(method), method.medians)
    yield "by the published evaluation's definitions (its slope is per pixel, not physical)"
    yield (
        f"{'':24} {'RMSE m':>8} {'SILog':>7} {'δ1 %':>6} {'Chamfer m':>9} {'acc m':>7} "
        f"{'comp m':>7} {'slope MAE °':>11} {'HDA 10° %':>9} {'miss 10° %':>10}"
    )
    for method in report.methods:
        yield _published(method, _name(method), "")
        if "both_views_rmse_m" in method.published:
            yield _published(method, "  with the right view", "both_views_")
    for method in report.methods:
        for pair, reason in method.failed.items():
            yield f"nothing from {_name(method)} for {pair}: {reason}"
    for pair, reason in report.unreadable.items():
        yield f"not read: {pair}: {reason}"


def _name(method: MethodAccuracy) -> str:
    bundle = method.bundle
    if bundle is None:
        return method.method
    failed = ", GATE FAILED" if bundle.gate == "failed" else ""
    return f"{bundle.name} {method.method}{failed}"


def group_lines(report: AccuracyReport) -> Iterator[str]:
    """A table for every scene and every sun."""
    for group in ("by_scene", "by_sun"):
        labels = sorted({label for m in report.methods for label in getattr(m, group)})
        for label in labels:
            yield f"{label}{_HEAD[len(label) :]}"
            for method in report.methods:
                if label in getattr(method, group):
                    yield _own(_name(method), getattr(method, group)[label])


def _own(label: str, m: dict[str, float]) -> str:
    def text(name: str, factor: float = 1.0, form: str = ".2f") -> str:
        return format(factor * m[name], form) if name in m else "-"

    def beside(name: str, null: str, factor: float = 1.0, form: str = ".2f") -> str:
        return f"{text(name, factor, form)} ({text(null, factor, form)})"

    ranked = "confidence_ause" in m
    ause = beside("confidence_ause", "confidence_ause_random") if ranked else "-"
    return (
        f"{label:24} {beside('absrel_median', 'absrel_median_null', 100, '.3f'):>15} "
        f"{beside('slope_mae_deg', 'slope_mae_null_deg'):>13} {text('relief_correlation'):>6} "
        f"{text('coverage'):>5} {text('hazard_miss_10deg', 100, '.0f') + ' %':>8} "
        f"{text('hazard_miss_15deg', 100, '.0f') + ' %':>8} "
        f"{text('hazard_false_alarm_15deg', 100, '.1f') + ' %':>9} "
        f"{ause:>11} "
        f"{text('pose_auc_20deg'):>11}"
    )


def _published(method: MethodAccuracy, label: str, prefix: str) -> str:
    p = method.published

    def text(name: str, factor: float = 1.0, form: str = ".1f") -> str:
        value = p.get(prefix + name)
        return "-" if value is None else format(factor * value, form)

    return (
        f"{label:24} {text('rmse_m'):>8} {text('silog', 1, '.4f'):>7} "
        f"{text('delta1', 100):>6} {text('chamfer_m'):>9} {text('accuracy_m'):>7} "
        f"{text('completeness_m'):>7} {text('slope_mae_deg', 1, '.2f'):>11} "
        f"{text('hda_agreement_10deg', 100):>9} {text('hda_miss_10deg', 100):>10}"
    )
