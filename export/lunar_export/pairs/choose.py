"""Which pairs an export uses: some judge the graph, some calibrate it, some decide between ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lunar_calib.sets.make_set import DEFAULT_COUNT

from lunar_export.pairs.calibration import (
    FEWEST_PAIRS,
    Calibration,
    check_calibration,
    open_calibration,
    render_calibration,
)
from lunar_export.pairs.evaluation import (
    EvaluationPair,
    evaluation_pairs,
    rendered_pairs,
    tuning_pairs,
)
from lunar_export.progress import LOG, Progress


@dataclass(frozen=True)
class PairCounts:
    """How many pairs are rendered.

    Attributes:
        parity: Of each geometry, where only the FP32 graph is compared.
        gate: Of each geometry, where a lower precision is judged.
        tuning: Of each geometry, to choose methods and layers on.
        calibration: To measure ranges on, where no calibration set is given.
        activations: To measure activations of an FP32 graph on, which nothing else calibrates.
    """

    parity: int = 1
    gate: int = 4
    tuning: int = 1
    calibration: int = DEFAULT_COUNT
    activations: int = 16


@dataclass(frozen=True)
class LoweringPairs:
    """What a lower precision needs besides.

    Attributes:
        calibration: To measure ranges on.
        tuning: To choose on; None where the held-out pairs serve for that too.
    """

    calibration: Calibration
    tuning: tuple[EvaluationPair, ...] | None


@dataclass(frozen=True)
class ExportPairs:
    """All pairs of an export.

    Attributes:
        held_out: What the graph is judged on; nothing is chosen or measured on them.
        lowering: None where the graph stays as it was traced.
    """

    held_out: tuple[EvaluationPair, ...]
    lowering: LoweringPairs | None = None


def parity_pairs(
    height: int, width: int, counts: PairCounts, progress: Progress = LOG
) -> ExportPairs:
    """Pairs for an FP32 graph."""
    progress.begin("evaluation pairs")
    return ExportPairs(tuple(evaluation_pairs(height, width, counts.parity)))


def gate_pairs(
    height: int, width: int, counts: PairCounts, progress: Progress = LOG, *, trained: bool = True
) -> ExportPairs:
    """Pairs for a graph that is judged in a lower precision, and lowered by nothing measured."""
    progress.begin("evaluation pairs")
    if not trained:
        return ExportPairs(tuple(rendered_pairs(height, width, 1)))
    return ExportPairs(tuple(evaluation_pairs(height, width, counts.gate)))


def lowering_pairs(
    height: int, width: int, counts: PairCounts, calib: Path | None, progress: Progress = LOG
) -> ExportPairs:
    """Pairs for a graph of lower precision.

    Args:
        height: Of the network's input.
        width: Of the network's input.
        counts: How many.
        calib: A calibration set; None renders one.
        progress: Told of every stage.

    Raises:
        InputError: The calibration set cannot be used.
    """
    progress.begin("evaluation pairs")
    held_out = tuple(evaluation_pairs(height, width, counts.gate))
    tuning = tuple(tuning_pairs(height, width, counts.tuning))
    calibration = _calibration(held_out, counts.calibration, calib, progress)
    return ExportPairs(held_out, LoweringPairs(calibration, tuning))


def unjudged_pairs(
    height: int, width: int, calib: Path | None, progress: Progress = LOG
) -> ExportPairs:
    """As few pairs as will do for random weights, which have no accuracy to judge.

    Args:
        height: Of the network's input.
        width: Of the network's input.
        calib: A calibration set; None renders the fewest pairs there may be.
        progress: Told of every stage.

    Raises:
        InputError: The calibration set cannot be used.
    """
    progress.begin("evaluation pairs")
    pairs = tuple(rendered_pairs(height, width, 1))
    calibration = _calibration(pairs, FEWEST_PAIRS, calib, progress)
    return ExportPairs(pairs, LoweringPairs(calibration, None))


def _calibration(
    held_out: tuple[EvaluationPair, ...], count: int, calib: Path | None, progress: Progress
) -> Calibration:
    progress.begin("calibration pairs")
    height, width = held_out[0].left.shape
    if calib is None:
        calibration = render_calibration(height, width, count)
    else:
        calibration = open_calibration(calib, height, width)
    check_calibration(calibration.pairs, held_out)
    return calibration
