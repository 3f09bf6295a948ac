"""The search for a graph of lower precision that keeps the slopes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from lunar_export.gate import accuracy_failures
from lunar_export.progress import Progress
from lunar_export.reduce import Recipe, Reduced, reduce_precision
from lunar_export.sensitivity import Sensitivity, Tuning, modules, rank_modules
from lunar_export.slope_error import SlopeError
from lunar_export.thresholds import METHODS

# Beyond, most of the graph is what it was: the method is wrong, not some layer.
LARGEST_SHARE_KEPT = 0.5

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
    """Reduce, measure, and give back the worst layers one by one until the slopes hold.

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
        waiting = list(ranking)
        while failing and give_back and waiting and len(recipe.kept) < most:
            worst = waiting.pop(0)
            progress.begin(f"giving back {len(recipe.kept) + 1}")
            recipe = recipe.keeping(worst.modules)
            reduced = reduce_precision(tuning.model, tuning.ranges, recipe)
            error = judge(reduced)
            steps.append(error.shift_deg)
            _log.info("%s given back: slopes shift by %.3f deg", worst.name, error.shift_deg)
            failing = bool(accuracy_failures(recipe.precision, error, fp32))
    return Lowered(recipe, reduced, error, tuple(steps), tuple(ranking), tried)
