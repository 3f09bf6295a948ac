"""What the precision search measured and decided, as a picture."""

from __future__ import annotations

from pathlib import Path

from lunar_runtime.bundles.manifest import GateRecord
from lunar_runtime.errors import UsageError
from lunar_runtime.files.atomic import atomic_path

from lunar_export.judging.search import Found

_MOST_BARS = 40


def draw_search(found: Found, gate: GateRecord, path: Path) -> None:
    """Draw what every module costs alone, and the slope shift as layers were given back.

    Args:
        found: What the search ended with.
        gate: What became of it.
        path: PNG.

    Raises:
        UsageError: Matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("`plot` needs matplotlib; pip install 'lunar-edge[ground]'") from error

    ranking = found.ranking[:_MOST_BARS]
    figure = Figure(figsize=(11, 2.2 + 0.17 * len(ranking)), layout="constrained")
    bars, steps = figure.subplots(1, 2, width_ratios=(3, 1))
    kept = found.recipe.kept
    places = range(len(ranking))
    bars.barh(
        places,
        [entry.shift_deg for entry in ranking],
        color=["tab:orange" if set(entry.modules) <= kept else "tab:blue" for entry in ranking],
    )
    for place, entry in zip(places, ranking, strict=True):
        bars.text(
            entry.shift_deg, place, f" miss {100 * entry.miss_increase:+.2f}", va="center", size=6
        )
    bars.set_yticks(places, [entry.name for entry in ranking], size=7)
    bars.invert_yaxis()
    bars.margins(x=0.12)
    bars.set_xlabel("slope shift of this module alone, deg (orange: given back; miss in points)")
    steps.plot(range(len(found.steps)), found.steps, "o-", color="tab:blue")
    steps.axhline(gate.slope_shift_limit_deg, color="tab:red", linestyle="--", label="allowed")
    steps.set_ylim(bottom=0)
    steps.xaxis.get_major_locator().set_params(integer=True)
    steps.set_xlabel("rounds of giving back")
    steps.set_ylabel("slope shift on the gate's pairs, deg")
    steps.legend()
    recipe = found.recipe
    verdict = "failed" if gate.failures else "passed"
    figure.suptitle(f"{recipe.precision} for {recipe.target}, {recipe.method}: gate {verdict}")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
