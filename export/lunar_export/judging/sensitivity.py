"""Which layers cost slopes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
from lunar_runtime.bundles.choices import Target

from lunar_export.judging.slope_error import SlopeError, SlopeReference
from lunar_export.judging.trial import try_recipe
from lunar_export.lowering.lower import Recipe
from lunar_export.lowering.measure import Measured
from lunar_export.lowering.placement import placeable

# Blocks that shift slopes by less are not looked into: a tenth of what INT8 may.
NEGLIGIBLE_DEG = 0.05


@dataclass(frozen=True)
class Sensitivity:
    """What lowering one module, or a block of harmless ones, alone does.

    Attributes:
        name: As in `dec_blocks.0.attn.qkv`, or of a block `dec_blocks.0`; for both images.
        modules: Which are lowered.
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

    @property
    def shift_share(self) -> float:
        """What each module adds to the squared shift of all, where shifts are independent."""
        return self.shift_deg**2 / len(self.modules)

    @property
    def miss_share(self) -> float:
        """What each of the modules adds to the hazard-miss."""
        return self.miss_increase / len(self.modules)


def lowered_modules(model: onnx.ModelProto, target: Target) -> list[str]:
    """Of everything that may be lowered for a target, once each, in the graph's order."""
    return list(dict.fromkeys(part.module for part in placeable(model, target)))


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
    measured: Measured,
    recipe: Recipe,
    tuning: SlopeReference,
    each: Callable[[], None] = lambda: None,
    threads: int | None = None,
) -> list[Sensitivity]:
    """Lower every block of the network alone and measure; look into those that cost something.

    Args:
        measured: The FP32 graph and its ranges.
        recipe: How to lower it; what it keeps is left out.
        tuning: What to measure on.
        each: Called for every module that is done with.
        threads: Of the processor; None is one per core.

    Returns:
        Worst first; every module is in one of them.
    """
    everything = lowered_modules(measured.model, recipe.target)
    found = []
    waiting = [[name for name in everything if name not in recipe.kept]]
    while waiting:
        names = waiting.pop()
        for block, members in blocks(names).items():
            name = block if len(members) > 1 else members[0]
            alone = recipe.keeping([other for other in everything if other not in members])
            error = try_recipe(measured, alone, tuning, threads).error
            rise = _increase(error, tuning.fp32)
            cost = Sensitivity(name, tuple(members), error.shift_deg, rise)
            if len(members) > 1 and not cost.cost < NEGLIGIBLE_DEG:
                waiting.append(members)
                continue
            found.append(cost)
            for _ in members:
                each()
    return sorted(found, key=lambda s: s.cost, reverse=True)


def _increase(error: SlopeError, fp32: SlopeError) -> float:
    rises = [
        after - before
        for hazard, before in fp32.miss.items()
        if before is not None and (after := error.miss[hazard]) is not None
    ]
    return max(rises, default=0.0)
