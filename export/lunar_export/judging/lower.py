"""The search for a graph of lower precision that keeps the slopes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lunar_export.commands.progress import Progress
from lunar_export.judging.gate import SLOPE_SHIFT_DEG, accuracy_failures
from lunar_export.judging.sensitivity import Sensitivity, Tuning, modules, rank_modules
from lunar_export.judging.slope_error import SlopeError
from lunar_export.lowering.reduce import Recipe, Reduced, reduce_precision
from lunar_export.lowering.thresholds import METHODS

# Beyond, most of the graph is what it was: the method is wrong, not some layer.
LARGEST_SHARE_KEPT = 0.5
_LOGGED = 20  # of the worst

_log = logging.getLogger(__name__)

# Measures a candidate on the gate's own pairs.
Judge = Callable[[Reduced], SlopeError]


@dataclass(frozen=True)
class Lowered:
    """What the search found.

    Attributes:
        recipe: The last one tried.
        reduced: Its graph.
        error: On the gate's pairs.
        steps: Slope shift on the gate's pairs, before any layer was given back and after each.
        ranking: Of modules, worst first; empty where none was needed or asked for.
        tried: Method -> slope shift on the tuning pairs, where the method was chosen.
    """

    recipe: Recipe
    reduced: Reduced
    error: SlopeError
    steps: tuple[float, ...]
    ranking: tuple[Sensitivity, ...]
    tried: dict[str, float]


def lower_precision(
    tuning: Tuning,
    recipe: Recipe,
    judge: Judge,
    fp32: SlopeError,
    *,
    choose_method: bool,
    always_rank: bool,
    give_back: bool,
    progress: Progress,
) -> Lowered:
    """Reduce, measure, and give back the worst layers until the slopes hold.

    Args:
        tuning: Where methods and layers are chosen.
        recipe: To start from.
        judge: Measures on the gate's pairs.
        fp32: The FP32 student on the gate's pairs.
        choose_method: Measure every calibration method and take the best.
        always_rank: Measure every module even if none has to be given back.
        give_back: Whether to; random weights have no slopes to keep.
        progress: Told of every stage.

    Returns:
        The result, whether it holds or not.
    """
    tried: dict[str, float] = {}
    if choose_method:
        progress.begin("choosing a calibration", len(METHODS))
        for method in METHODS:
            candidate = Recipe(recipe.precision, recipe.target, method, recipe.kept)
            tried[method] = tuning.measure(candidate).shift_deg
            progress.step()
        best = min(METHODS, key=lambda method: tried[method])
        recipe = Recipe(recipe.precision, recipe.target, best, recipe.kept)
        _log.info("calibration: %s (%s)", best, ", ".join(f"{m} {t:.3f}" for m, t in tried.items()))
    progress.begin("measuring slopes")
    reduced = reduce_precision(tuning.model, tuning.ranges, recipe)
    error = judge(reduced)
    steps = [error.shift_deg]
    ranking: list[Sensitivity] = []
    failing = bool(accuracy_failures(recipe.precision, error, fp32))
    everything = modules(tuning.model)
    most = int(LARGEST_SHARE_KEPT * len(everything))
    if always_rank or (failing and give_back and most):
        progress.begin("measuring layers", len(everything))
        ranking = rank_modules(tuning, recipe, progress.step)
        for entry in ranking[:_LOGGED]:
            _log.info(
                "%s alone: slopes shift by %.3f deg, miss %+.2f points",
                *(entry.name, entry.shift_deg, 100 * entry.miss_increase),
            )
        waiting = list(ranking)
        while failing and give_back and waiting and len(recipe.kept) < most:
            count = enough(waiting, error.shift_deg, SLOPE_SHIFT_DEG[recipe.precision])
            worst, waiting = waiting[:count], waiting[count:]
            recipe = recipe.keeping([module for entry in worst for module in entry.modules])
            progress.begin(f"giving back {len(recipe.kept)} modules")
            reduced = reduce_precision(tuning.model, tuning.ranges, recipe)
            error = judge(reduced)
            steps.append(error.shift_deg)
            names = ", ".join(entry.name for entry in worst)
            _log.info("%s given back: slopes shift by %.3f deg", names, error.shift_deg)
            failing = bool(accuracy_failures(recipe.precision, error, fp32))
    return Lowered(recipe, reduced, error, tuple(steps), tuple(ranking), tried)


def enough(ranking: Sequence[Sensitivity], shift_deg: float, allowed_deg: float) -> int:
    """How many of the worst to give back before it is worth measuring again; at least one.

    Shifts of layers are nearly independent and add in squares. How much they are alone need not be
    what they are together, so only their shares count.

    Args:
        ranking: Worst first.
        shift_deg: With all of them reduced.
        allowed_deg: What it may be.
    """
    if shift_deg <= allowed_deg:
        return 1  # hazards ask for it, and say nothing of how many
    left = sum(entry.shift_deg**2 for entry in ranking)
    allowed = left * (allowed_deg / shift_deg) ** 2
    for count, entry in enumerate(ranking, 1):
        left -= entry.shift_deg**2
        if left <= allowed:
            return count
    return 1
