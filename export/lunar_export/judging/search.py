"""The search for a graph of lower precision that keeps the slopes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from lunar_runtime.bundles.choices import Arithmetic

from lunar_export.choices import METHODS, Method
from lunar_export.judging.gate import LIMITS, GateLimits, accuracy_failures
from lunar_export.judging.sensitivity import Sensitivity, lowered_modules, rank_modules
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.judging.trial import Trial, try_recipe
from lunar_export.lowering.lower import Recipe
from lunar_export.lowering.measure import Measured
from lunar_export.progress import LOG, Progress

_LOGGED = 20  # of the worst

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchPlan:
    """What the search may do.

    Attributes:
        choose_method: Measure every calibration method and take the best.
        rank_always: Measure every module even if none has to be given back.
        give_back: Give layers their precision back; random weights have no slopes to keep.
        rests: What else the layers that are not INT8 may be computed in, tried once the gate holds.
        limits: Until these hold.
        threads: Of the processor; None is one per core.
    """

    choose_method: bool = False
    rank_always: bool = False
    give_back: bool = True
    rests: tuple[Arithmetic, ...] = ()
    limits: GateLimits = LIMITS
    threads: int | None = None


@dataclass(frozen=True)
class Found:
    """What the search ended with, whether it holds or not.

    Attributes:
        trial: The last graph tried, on the gate's pairs.
        steps: Slope shift on the gate's pairs, before any layer was given back and after each.
        ranking: Of modules, worst first; empty where none was needed or asked for.
        tried: Method -> slope shift on the tuning pairs, where the method was chosen.
    """

    trial: Trial
    steps: tuple[float, ...]
    ranking: tuple[Sensitivity, ...]
    tried: dict[str, float]

    @property
    def recipe(self) -> Recipe:
        """How the last graph was made."""
        return self.trial.lowered.recipe


def search_precision(
    measured: Measured,
    recipe: Recipe,
    tuning: SlopeReference,
    gate: SlopeReference,
    plan: SearchPlan,
    progress: Progress = LOG,
) -> Found:
    """Lower, measure, and give back the worst layers until the slopes hold.

    Args:
        measured: The FP32 graph and its ranges.
        recipe: To start from.
        tuning: The pairs that methods and layers are chosen on.
        gate: The pairs that decide.
        plan: What the search may do.
        progress: Told of every stage.
    """
    tried: dict[str, float] = {}
    if plan.choose_method:
        recipe, tried = _choose_method(measured, recipe, tuning, plan, progress)
    progress.begin("measuring slopes")
    trial = try_recipe(measured, recipe, gate, plan.threads)
    steps = [trial.error.shift_deg]
    ranking: list[Sensitivity] = []
    everything = lowered_modules(measured.model, recipe.target)
    most = int(plan.limits.share_kept * len(everything))
    if plan.rank_always or (plan.give_back and most and _fails(trial, gate, plan)):
        progress.begin("measuring layers", len(everything))
        ranking = rank_modules(measured, recipe, tuning, progress.step, plan.threads)
        for entry in ranking[:_LOGGED]:
            _log.info(
                "%s alone: slopes shift by %.3f deg, miss %+.2f points",
                *(entry.name, entry.shift_deg, 100 * entry.miss_increase),
            )
    waiting = list(ranking) if plan.give_back else []
    while waiting and len(recipe.kept) < most and _fails(trial, gate, plan):
        allowed = plan.limits.shift_deg(recipe.precision)
        waiting = in_turn(waiting, slopes=trial.error.shift_deg > allowed)
        count = enough(waiting, trial.error.shift_deg, allowed)
        worst, waiting = waiting[:count], waiting[count:]
        recipe = recipe.keeping([module for entry in worst for module in entry.modules])
        progress.begin(f"giving back {len(recipe.kept)} modules")
        trial = try_recipe(measured, recipe, gate, plan.threads)
        steps.append(trial.error.shift_deg)
        names = ", ".join(entry.name for entry in worst)
        _log.info("%s given back: slopes shift by %.3f deg", names, trial.error.shift_deg)
    for arithmetic in plan.rests:
        if _fails(trial, gate, plan):
            break
        progress.begin(f"trying the rest in {arithmetic}")
        other = dataclasses.replace(recipe, arithmetic=arithmetic)
        candidate = try_recipe(measured, other, gate, plan.threads)
        _log.info("the rest in %s: slopes shift by %.3f deg", arithmetic, candidate.error.shift_deg)
        if not _fails(candidate, gate, plan):
            trial = candidate
            steps.append(trial.error.shift_deg)
    return Found(trial, tuple(steps), tuple(ranking), tried)


def in_turn(ranking: Sequence[Sensitivity], *, slopes: bool) -> list[Sensitivity]:
    """In which order modules are given back: what mends most for every module that it takes first.

    By `Sensitivity.cost` alone, S0 for OpenVINO gave whole blocks of 32 harmless modules back and
    those whose hazards moved by chance, and 84 of 161 were not enough. So 41 are, and five that are
    kept anyway.

    Args:
        ranking: What is left.
        slopes: Whether slopes shift too far; else only hazards are missed.
    """
    if slopes:
        return sorted(ranking, key=lambda entry: entry.shift_share, reverse=True)
    return sorted(ranking, key=lambda entry: entry.miss_share, reverse=True)


def enough(ranking: Sequence[Sensitivity], shift_deg: float, allowed_deg: float) -> int:
    """How many of the worst to give back before it is worth measuring again; at least one.

    Shifts of layers are nearly independent and add in squares. How much they are alone need not be
    what they are together, so only their shares count.

    Args:
        ranking: In the order in which they are given back.
        shift_deg: With all of them lowered.
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


def _choose_method(
    measured: Measured,
    recipe: Recipe,
    tuning: SlopeReference,
    plan: SearchPlan,
    progress: Progress,
) -> tuple[Recipe, dict[str, float]]:
    progress.begin("choosing a calibration", len(METHODS))
    shifts: dict[Method, float] = {}
    for method in METHODS:
        candidate = dataclasses.replace(recipe, method=method)
        shifts[method] = try_recipe(measured, candidate, tuning, plan.threads).error.shift_deg
        progress.step()
    best = min(METHODS, key=lambda method: shifts[method])
    _log.info("calibration: %s (%s)", best, ", ".join(f"{m} {t:.3f}" for m, t in shifts.items()))
    return dataclasses.replace(recipe, method=best), {str(m): t for m, t in shifts.items()}


def _fails(trial: Trial, gate: SlopeReference, plan: SearchPlan) -> bool:
    precision = trial.lowered.recipe.precision
    return bool(accuracy_failures(precision, trial.error, gate.fp32, plan.limits))
