"""How far P(safe) can be trusted, as a picture."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.files.atomic import atomic_path
from matplotlib.figure import Figure

from lunar_bench.landing.record import LandingRecord

_LEAST = 2e-4  # what no place was hazardous of is drawn there


def plot_landing(result: LandingRecord, path: Path) -> None:
    """Draw the reliability diagram: hazardous places said and seen, both from 1 down.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [row for row in result.reliability if row.places]
    said = [max(1 - row.mean, _LEAST) for row in rows]
    seen = [max(1 - row.safe, _LEAST) for row in rows]
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([_LEAST, 1], [_LEAST, 1], color="0.6", label="as said")
    axes.plot(said, seen, color="tab:blue", marker="o", label="seen")
    for x, y, row in zip(said, seen, rows, strict=True):
        note = f"{row.places} places, {row.wrong_pairs} of {row.pairs} pairs"
        axes.annotate(note, (x, y), xytext=(6, -9), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, _LEAST / 1.5)
    axes.set_ylim(1, _LEAST / 1.5)
    axes.set_xlabel("1 - P(safe), mean of the places of a class")
    axes.set_ylabel("share of them that is hazardous")
    axes.grid(True, alpha=0.2)
    axes.legend(loc="lower right")
    figure.suptitle(f"{result.data}; pairs: with a hazardous place, of all", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
