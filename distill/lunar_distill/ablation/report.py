"""The ablation as a table and a picture: means over seeds, and their spread."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.errors import BackendError, InputError
from lunar_runtime.files.atomic import atomic_path

from lunar_distill.ablation.arm_runs import RESULT_NAME
from lunar_distill.ablation.arms import Arm

# Column -> heading, factor, digits.
COLUMNS = {
    "teacher_error": ("teacher error, %", 100.0, 3),
    "teacher_relief": ("teacher relief error", 1.0, 3),
    "absrel_of_null": ("AbsRel / plane", 1.0, 3),
    "slope_mae_of_null": ("slope MAE / plane", 1.0, 3),
    "relief_correlation": ("relief correlation", 1.0, 3),
}


def require_plots() -> None:
    """Say before the first arm, not after the last, that a library is missing.

    Raises:
        BackendError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise BackendError(
            "the ablation's plot needs matplotlib; install it with pip install 'lunar-edge[ground]'"
        )


def collect(out: Path, every: Sequence[Arm]) -> dict[str, list[dict[str, Any]]]:
    """The results of each arm that has some, in the arms' order.

    Raises:
        InputError: No arm is done.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for arm in every:
        files = sorted((out / arm.folder).glob(f"seed*/{RESULT_NAME}"))
        if files:
            found[arm.name] = [json.loads(file.read_text()) for file in files]
    if not found:
        raise InputError(f"{out}: no arm is done yet; run lunar-distill ablate again to go on")
    return found


def write_report(
    out: Path, every: Sequence[Arm], settings: dict[str, Any], where: dict[str, Any]
) -> list[Path]:
    """Write `ablation.md`, `ablation.csv`, `ablation.png` and `ablation.json` into `out`.

    Args:
        out: The ablation's folder.
        every: Its arms.
        settings: Said above the table and kept in the JSON: teacher, data, schedule, starts.
        where: The `machine` that the arms ran on.
    """
    results = collect(out, every)
    record = {"settings": settings, "machine": where, "arms": results}
    texts = {
        "ablation.md": _markdown(results, settings, where),
        "ablation.csv": _csv(results),
        "ablation.json": json.dumps(record, indent=1) + "\n",
    }
    for name, text in texts.items():
        with atomic_path(out / name) as path:
            path.write_text(text, encoding="utf-8")
    with atomic_path(out / "ablation.png") as path:
        _plot(results, path)
    return [*(out / name for name in texts), out / "ablation.png"]


def _mean_and_spread(rows: Sequence[dict[str, Any]], column: str) -> tuple[float, float]:
    """Mean and half the range over seeds."""
    values = [float(row[column]) for row in rows]
    return float(np.mean(values)), (max(values) - min(values)) / 2


def _markdown(
    results: dict[str, list[dict[str, Any]]], settings: dict[str, Any], where: dict[str, Any]
) -> str:
    lines = [
        "# Ablation",
        "",
        *(f"- {name}: {value}" for name, value in settings.items() if name != "starts"),
        f"- machine: {where['processor']}, {where['cores']} cores, PyTorch {where['torch']}, "
        f"commit {where['commit']}",
        "",
        "Mean over seeds ± half their range, on held-out pairs. *Teacher error*: distance of the "
        "points from the teacher's where it is confident, over their distance from the camera. "
        "*Teacher relief error*: of the inverse depth less its best plane, over its magnitude or "
        "0.5 % of the depth, whichever is more. The others are against the truth.",
        "",
        "| arm | parameters, M | seeds | " + " | ".join(h for h, _, _ in COLUMNS.values()) + " |",
        "|---|---|---|" + "---|" * len(COLUMNS),
    ]
    for name, rows in results.items():
        cells = [name, f"{rows[0]['parameters'] / 1e6:.1f}", str(len(rows))]
        for column, (_, factor, digits) in COLUMNS.items():
            mean, spread = _mean_and_spread(rows, column)
            cells.append(f"{factor * mean:.{digits}f} ± {factor * spread:.{digits}f}")
        lines.append(f"| {' | '.join(cells)} |")
    if "starts" in settings:
        lines += [
            "",
            "Before training, on the teacher's encoder tokens:",
            "",
            "| start | decoder output not explained | distance of the points, % |",
            "|---|---|---|",
            *(
                f"| {name} | {100 * error['decoder_error']:.2f} % | "
                f"{100 * error['points_error']:.3f} |"
                for name, error in settings["starts"].items()
            ),
        ]
    return "\n".join(lines) + "\n"


def _csv(results: dict[str, list[dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(next(iter(results.values()))[0]), lineterminator="\n")
    writer.writeheader()
    for rows in results.values():
        writer.writerows(rows)
    return text.getvalue()


def _plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    shown = ("teacher_error", "teacher_relief", "slope_mae_of_null")
    names = list(results)
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=(4 * len(shown), 1 + 0.4 * len(names)), sharey=True
    )
    for axis, column in zip(axes, shown, strict=True):
        heading, factor, _ = COLUMNS[column]
        for i, rows in enumerate(results.values()):
            values = [factor * float(row[column]) for row in rows]
            colour = "C0" if names[i] == "best" else "C7"
            axis.plot(values, [i] * len(values), "-", color=colour, linewidth=5, alpha=0.4)
            axis.plot(values, [i] * len(values), "o", color=colour, markersize=4)
            axis.plot(np.mean(values), i, "|", color="black", markersize=12)
        reference = factor * np.mean([row[column] for row in results[names[0]]])
        axis.axvline(reference, color="C0", linewidth=1, linestyle="--")
        axis.set_xscale("log")  # one arm that learned nothing would hide all others
        for side in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
            side(ticker.FuncFormatter(lambda value, _: f"{value:g}" if _leads(value) else ""))
        axis.set_xlabel(heading)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    figure.suptitle("every seed (dots) and their mean (bar); dashed: best", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _leads(value: float) -> bool:
    """Whether a tick is 1, 2 or 5 of its decade."""
    return f"{value:e}"[0] in "125"
