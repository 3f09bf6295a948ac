"""One way of lowering a graph, tried on pairs."""

from __future__ import annotations

from dataclasses import dataclass

from lunar_export.judging.reference import Arrays
from lunar_export.judging.run_graph import run_graph
from lunar_export.judging.slope_error import SlopeError, SlopeReference
from lunar_export.lowering.lower import Lowered, Recipe, lower
from lunar_export.lowering.measure import Measured


@dataclass(frozen=True)
class Trial:
    """A lowered graph and what it gave.

    Attributes:
        lowered: The graph.
        outputs: Of each pair.
        error: What that means for slopes.
    """

    lowered: Lowered
    outputs: tuple[Arrays, ...]
    error: SlopeError


def try_recipe(
    measured: Measured, recipe: Recipe, expected: SlopeReference, threads: int | None = None
) -> Trial:
    """Lower a graph and run it.

    Args:
        measured: The FP32 graph and its ranges.
        recipe: How to lower it.
        expected: On which pairs, and what the FP32 student gives there.
        threads: Of the processor; None is one per core.
    """
    lowered = lower(measured, recipe)
    outputs = run_graph(lowered, expected.pairs, threads)
    return Trial(lowered, tuple(outputs), expected.measure(outputs))
