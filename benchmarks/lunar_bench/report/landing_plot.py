"""How far P(safe) tells places apart, and how far it can be trusted, as a picture."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.files.atomic import atomic_path
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lunar_bench.landing.record import LandingRecord

_CROWDED = 0.5  # classes up to there lie too close for words
_LEFT = 0.1  # from there on words to the left would cross the axis
_LEAST = 2e-4  # what no place was hazardous of is drawn there
_COLOURS = "tab:blue", "tab:orange", "tab:red", "tab:green"


def plot_landing(result: LandingRecord, path: Path) -> None:
    """Draw ROC curves of all methods beside the reliability diagram of ours.

    Raises:
        OutputError: It cannot be written.
    """
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _roc(left, result)
    _reliability(right, result)
    measured = sum(case.verdict == "measured" for case in result.cases)
    figure.suptitle(f"{result.data}: {measured} of {len(result.cases)} pairs measured", fontsize=10)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _roc(axes: Axes, result: LandingRecord) -> None:
    """Safe places found over hazardous places missed, from the surest down; dots: the threshold."""
    for method, colour in zip(result.methods, _COLOURS, strict=True):
        missed, found = zip(*method.roc, strict=True)
        label = (
            f"{method.method}: AUC {method.auc:.3f}\nat the threshold {method.found:.0%} found, "
            f"{method.false_safe:.1%} of it hazardous;\n"
            f"{method.false_sites} of {method.sites} sites hazardous"
        )
        axes.plot([max(one, _LEAST) for one in missed], found, color=colour, label=label)
        axes.plot(max(method.missed, _LEAST), method.found, "o", color=colour)
    axes.set_xscale("log")
    axes.set_xlim(_LEAST, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("hazardous places called safe, share of all with a P(safe)")
    axes.set_ylabel("safe places called safe, share of all")
    axes.grid(True, alpha=0.2)
    axes.legend(loc="upper left", fontsize=7)
    axes.set_title("ROC of P(safe); dots: the vehicle's threshold", fontsize=9)


def _reliability(axes: Axes, result: LandingRecord) -> None:
    """Hazardous places said and seen, both from 1 down."""
    rows = [row for row in result.reliability if row.places]
    said = [max(1 - row.mean, _LEAST) for row in rows]
    seen = [max(1 - row.safe, _LEAST) for row in rows]
    axes.plot([_LEAST, 1], [_LEAST, 1], color="0.6", label="as said")
    axes.plot(said, seen, color=_COLOURS[0], marker="o", label="seen")
    for number, (x, y, row) in enumerate(zip(said, seen, rows, strict=True)):
        if x > _CROWDED:
            continue
        note = f"{row.places} places, {row.wrong_pairs} of {row.pairs} pairs"
        # Neighbours may be level.
        above = -90, 20 if number % 4 else 8
        aside = (6, -10) if number % 2 or x > _LEFT else above
        axes.annotate(note, (x, y), xytext=aside, textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, _LEAST / 1.5)
    axes.set_ylim(1, _LEAST / 1.5)
    axes.set_xlabel("1 - P(safe), mean of the places of a class")
    axes.set_ylabel("share of them that is hazardous")
    axes.grid(True, alpha=0.2)
    axes.legend(loc="lower right")
    axes.set_title("reliability of ours; pairs: with a hazardous place, of all", fontsize=9)
