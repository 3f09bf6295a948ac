"""Which layers cost slopes, and which are given back their precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from lunar_export.graph.layers import weight_layers
from lunar_export.judging.pairs import EvaluationPair
from lunar_export.judging.run_graph import run_graph
from lunar_export.judging.slope_error import SlopeError, SlopeReference
from lunar_export.lowering.ranges import ActivationRanges
from lunar_export.lowering.reduce import Recipe, reduce_precision

# Blocks that shift slopes by less are not looked into: a tenth of what INT8 may.
NEGLIGIBLE_DEG = 0.05


@dataclass(frozen=True)
class Sensitivity:
    """What reducing one module, or a block of harmless ones, alone does.

    Attributes:
        name: As in `dec_blocks.0.attn.qkv`, or of a block `dec_blocks.0`; for both images.
        modules: Which are reduced.
        shift_deg: Slope shift, degrees.
        miss_increase: Largest increase of the hazard-miss, at any threshold.
    """

    name: str
    modules: tuple[str, ...]
    shift_deg: float
    miss_increase: float

    @property
    def cost(self) -> float:
        """Both in one number, as the INT8 gate weighs them: 0.5° is as bad as 0.5 points."""
        return max(self.shift_deg, 100 * self.miss_increase)


@dataclass(frozen=True)
class Tuning:
    """Where choices are measured: a few pairs that the gate does not use.

    Attributes:
        model: The FP32 graph.
        ranges: Measured on it.
        pairs: Which pairs.
        reference: What the FP32 student gives on them.
        fp32: How good that is.
    """

    model: onnx.ModelProto
    ranges: ActivationRanges
    pairs: Sequence[EvaluationPair]
    reference: SlopeReference
    fp32: SlopeError

    def measure(self, recipe: Recipe) -> SlopeError:
        """Reduce the graph so, and run it."""
        reduced = reduce_precision(self.model, self.ranges, recipe)
        return self.reference.measure(run_graph(reduced, recipe.target, self.pairs))


def modules(model: onnx.ModelProto) -> list[str]:
    """Of every layer with weights, once each, in the graph's order."""
    return list(dict.fromkeys(layer.module for layer in weight_layers(model)))


def blocks(names: Sequence[str], depth: int = 1) -> dict[str, list[str]]:
    """Modules by the first parts of their paths, as in `dec_blocks.0`; more parts if all are alike.

    Args:
        names: At least one.
        depth: How many parts.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(".".join(name.split(".")[:depth]), []).append(name)
    alike = len(found) == 1 and len(names) > 1
    return blocks(names, depth + 1) if alike else found


def rank_modules(
    tuning: Tuning, recipe: Recipe, each: Callable[[], None] = lambda: None
) -> list[Sensitivity]:
    """Reduce every block of the network alone and measure; look into those that cost something.

    Args:
        tuning: What to measure on.
        recipe: How; what it keeps is left out.
        each: Called for every module that is done with.

    Returns:
        Worst first; every module is in one of them.
    """
    everything = modules(tuning.model)
    found = []
    waiting = [[name for name in everything if name not in recipe.kept]]
    while waiting:
        names = waiting.pop()
        for block, members in blocks(names).items():
            name = block if len(members) > 1 else members[0]
            cost = _alone(tuning, recipe, everything, name, members)
            if len(members) > 1 and not cost.cost < NEGLIGIBLE_DEG:
                waiting.append(members)
                continue
            found.append(cost)
            for _ in members:
                each()
    return sorted(found, key=lambda s: s.cost, reverse=True)


def _alone(
    tuning: Tuning, recipe: Recipe, everything: Sequence[str], name: str, members: Sequence[str]
) -> Sensitivity:
    error = tuning.measure(recipe.keeping([other for other in everything if other not in members]))
    return Sensitivity(name, tuple(members), error.shift_deg, _increase(error, tuning.fp32))


def _increase(error: SlopeError, fp32: SlopeError) -> float:
    rises = [
        after - before
        for hazard, before in fp32.miss.items()
        if before is not None and (after := error.miss[hazard]) is not None
    ]
    return max(rises, default=0.0)
