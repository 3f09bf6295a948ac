"""Second stage: how large the activations of a graph become, measured in one streaming pass.

Every pair of the calibration set runs once through the FP32 graph. Of every floating-point tensor
the graph itself computes the extremes; of those that may be quantised it computes the mean of every
channel too, and the values go into a histogram and are forgotten. (The calibrators of
onnxruntime.quantization hold the activations of all pairs in memory, and measure again for every
method; from these histograms any threshold can be taken, see thresholds.py.)
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from lunar_export.graph.shapes import activation_shapes
from lunar_export.lowering.histogram import Histogram, TensorRange
from lunar_export.lowering.instrument import (
    HIGH,
    LOW,
    MEAN,
    add_statistics,
    measured_tensor,
    open_session,
    with_values,
)

# Of one tensor and pair, at most so many values go into the histogram; the extremes see all.
SAMPLE = 1 << 17
# What a run may hold of activations beside the network's own; more are fetched in several runs.
HELD_BYTES = 1_000_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """An FP32 graph, and what was seen of its activations.

    Attributes:
        model: The graph.
        ranges: By tensor.
        pairs: How many pairs were run.
    """

    model: onnx.ModelProto
    ranges: Mapping[str, TensorRange]
    pairs: int


def measure_ranges(
    model: onnx.ModelProto,
    pairs: Sequence[CalibrationPair],
    quantised: Sequence[str],
    work: Path,
    each: Callable[[], None] = lambda: None,
    *,
    histograms: bool = True,
    held_bytes: int = HELD_BYTES,
    threads: int | None = None,
) -> Measured:
    """Run the calibration pairs through a graph and measure every activation.

    Args:
        model: FP32. Not changed.
        pairs: The calibration set.
        quantised: Tensors whose channels and distribution are wanted.
        work: A folder for the instrumented graphs, which are deleted.
        each: Called after every pair, in the last of the runs.
        histograms: Measure distributions, for every method but `minmax`. A large graph runs several
            times a pair for them, once without.
        held_bytes: Values that one run may hold for the histograms.
        threads: Of the processor; None is one per core.

    Returns:
        Extremes of every FP32 tensor; channels and distributions of `quantised`.

    Raises:
        InputError: An activation is not finite: the line names pair and tensor.
    """
    start = time.perf_counter()
    shapes = activation_shapes(model)
    wanted = [name for name in quantised if name in shapes]
    fetched = wanted if histograms else []
    groups = _groups(fetched, shapes, held_bytes)
    seen = {name: TensorRange() for name in shapes}
    for name in fetched:
        seen[name].histogram = Histogram()
    for number, group in enumerate(groups):
        session = None  # of the group before: one at a time is in memory
        instrumented = with_values(model, group)
        if number == 0:
            add_statistics(instrumented, shapes, wanted)
        session = open_session(instrumented, work, threads)
        names = [output.name for output in session.get_outputs()]
        for pair in pairs:
            feed = {"left": pair.left[None, None], "right": pair.right[None, None]}
            for name, values in zip(names, session.run(names, feed), strict=True):
                _note(seen, name, values, pair.name)
            if number == len(groups) - 1:
                each()
    for name in wanted:
        mean = seen[name].channel_mean
        if mean is not None:
            seen[name].channel_mean = mean / len(pairs)
    _log.info(
        "ranges of %d tensors over %d pairs in %.0f s, %d run(s) a pair, peak memory %.2f GB",
        len(seen), len(pairs), time.perf_counter() - start, len(groups),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    )  # fmt: skip
    return Measured(model, seen, len(pairs))


def _groups(
    wanted: Sequence[str], shapes: Mapping[str, tuple[int, ...]], held_bytes: int
) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    held = 0
    for name in wanted:
        size = 4 * int(np.prod(shapes[name]))
        if groups[-1] and held + size > held_bytes:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += size
    return groups


def _note(
    seen: Mapping[str, TensorRange], output: str, values: NDArray[np.float32], pair: str
) -> None:
    name = measured_tensor(output)
    if not np.isfinite(values).all():
        raise InputError(
            f"calibration pair {pair}: the network gives NaN or infinity at {name}; leave the pair "
            "out, or use a checkpoint whose training did not diverge"
        )
    found = seen[name]
    if output.startswith(LOW):
        found.low = min(found.low, float(values))
    elif output.startswith(HIGH):
        found.high = max(found.high, float(values))
    elif output.startswith(MEAN):
        mean = values.astype(np.float64)
        found.channel_mean = mean if found.channel_mean is None else found.channel_mean + mean
    else:
        assert found.histogram is not None
        flat = values.reshape(-1)
        # An odd step visits every channel; the extremes come from all values.
        step = flat.size // SAMPLE | 1
        found.histogram.add(flat[::step])
