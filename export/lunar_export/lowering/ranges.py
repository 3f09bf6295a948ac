"""How large the activations of a graph become, measured in one streaming pass.

Every pair of the calibration set runs once through the FP32 graph. Of every floating-point tensor
the graph itself computes the extremes; of those that may be quantised it computes the extremes and
the mean of every channel too, and the values go into a histogram and are forgotten. (The
calibrators of onnxruntime.quantization hold the activations of all pairs in memory, and measure
again for every method; from these histograms any threshold can be taken, see thresholds.py.)
"""

from __future__ import annotations

import logging
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_runtime.errors import InputError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lunar_export.graph import weights
from lunar_export.graph.model_file import write_model

BINS = 4096
# Of one tensor and pair, at most so many values go into the histogram; the extremes see all.
SAMPLE = 1 << 17
# What a run may hold of activations beside the network's own; more are fetched in several runs.
GROUP_BYTES = 1_000_000_000

_log = logging.getLogger(__name__)


@dataclass
class Histogram:
    """Counts of values in `BINS` equal bins over [-limit, limit]; the limit grows by doubling."""

    limit: float = 0.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, values: NDArray[np.float32]) -> None:
        """Count finite values."""
        largest = float(np.max(np.abs(values), initial=0.0))
        if largest == 0.0 and self.limit == 0.0:
            self.counts[BINS // 2] += values.size
            return
        if self.limit == 0.0:
            self.limit = largest
        while largest > self.limit:
            merged = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : BINS // 4 + BINS // 2] = merged
            self.limit *= 2
        found, _ = np.histogram(values, BINS, (-self.limit, self.limit))
        self.counts += found

    def magnitudes(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Centres of the bins of |x|, and their counts."""
        half = BINS // 2
        centres = (np.arange(half, dtype=np.float64) + 0.5) * (self.limit / half)
        return centres, self.counts[half:] + self.counts[half - 1 :: -1]


@dataclass
class TensorRange:
    """What was seen of one tensor.

    Attributes:
        low: Smallest value.
        high: Largest value.
        histogram: None where only the extremes were asked for.
        channel_peak: (C,) largest magnitude per channel; None likewise.
        channel_mean: (C,) mean per channel; None likewise.
    """

    low: float = np.inf
    high: float = -np.inf
    histogram: Histogram | None = None
    channel_peak: NDArray[np.float64] | None = None
    channel_mean: NDArray[np.float64] | None = None

    @property
    def peak(self) -> float:
        """Largest magnitude."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class ActivationRanges:
    """What was seen of all tensors.

    Attributes:
        tensors: By name.
        pairs: How many pairs were run.
        seconds: How long it took.
        peak_bytes: Largest resident memory of the process so far.
    """

    tensors: dict[str, TensorRange]
    pairs: int
    seconds: float
    peak_bytes: int


def collect_ranges(
    model: onnx.ModelProto,
    pairs: Sequence[CalibrationPair],
    quantised: Sequence[str],
    work: Path,
    each: Callable[[], None] = lambda: None,
    *,
    histograms: bool = True,
) -> ActivationRanges:
    """Run the calibration pairs through a graph and measure every activation.

    Args:
        model: FP32. Not changed.
        pairs: The calibration set.
        quantised: Tensors whose channels and distribution are wanted.
        work: A folder for the instrumented graphs, which are deleted.
        each: Called after every pair, in the last of the runs.
        histograms: Measure distributions, for every method but `minmax`. A large graph runs several
            times a pair for them, once without.

    Returns:
        Extremes of every FP32 tensor; channels and distributions of `quantised`.

    Raises:
        InputError: An activation is not finite: the line names pair and tensor.
    """
    start = time.perf_counter()
    shapes = tensor_shapes(model)
    channels = _channel_axes(model)
    wanted = [name for name in quantised if name in shapes]
    fetched = wanted if histograms else []
    groups = _groups(fetched, shapes)
    seen = {name: TensorRange() for name in shapes}
    for name in fetched:
        seen[name].histogram = Histogram()
    for number, group in enumerate(groups):
        session = None  # of the group before: one at a time is in memory
        session = _session(model, shapes, channels, group, number == 0, wanted, work)
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
    ranges = ActivationRanges(
        tensors=seen,
        pairs=len(pairs),
        seconds=time.perf_counter() - start,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    _log.info(
        "ranges of %d tensors over %d pairs in %.0f s, %d run(s) a pair, peak memory %.2f GB",
        len(seen), len(pairs), ranges.seconds, len(groups), ranges.peak_bytes / 1e9,
    )  # fmt: skip
    return ranges


def tensor_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of every floating-point tensor that a node computes."""
    structure = onnx.ModelProto()
    structure.CopyFrom(model)
    large = {t.name for t in model.graph.initializer if weights.size_bytes(t) > 10_000}
    weights.hold_out(structure, large)
    inferred = onnx.shape_inference.infer_shapes(structure, strict_mode=True, data_prop=True)
    known = {v.name: v.type.tensor_type for v in (*inferred.graph.value_info, *model.graph.output)}
    computed = {name for node in model.graph.node for name in node.output if name}
    return {
        name: tuple(d.dim_value for d in kind.shape.dim)
        for name, kind in known.items()
        if name in computed and kind.elem_type == TensorProto.FLOAT
    }


def _channel_axes(model: onnx.ModelProto) -> dict[str, int]:
    """Which axis of an activation a layer sums over: 1 of an image, the last of tokens."""
    return {
        node.input[0]: 1 if node.op_type.startswith("Conv") else -1
        for node in model.graph.node
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm")
    }


def _groups(wanted: Sequence[str], shapes: dict[str, tuple[int, ...]]) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    held = 0
    for name in wanted:
        size = 4 * int(np.prod(shapes[name]))
        if groups[-1] and held + size > GROUP_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += size
    return groups


# The instrumented graph's outputs are named after what they hold and of which tensor.
_LOW, _HIGH, _PEAK, _MEAN = "low of ", "high of ", "peaks of ", "means of "


def _session(
    model: onnx.ModelProto,
    shapes: dict[str, tuple[int, ...]],
    channels: dict[str, int],
    fetched: Sequence[str],
    measure: bool,
    wanted: Sequence[str],
    work: Path,
) -> onnxruntime.InferenceSession:
    instrumented = onnx.ModelProto()
    instrumented.CopyFrom(model)
    graph = instrumented.graph
    kept = [value for value in graph.output if value.name in fetched]
    del graph.output[:]
    graph.output.extend(kept)
    names = [name for name in fetched if name not in {value.name for value in kept}]
    if measure:
        nodes: list[onnx.NodeProto] = []
        for node in graph.node:
            nodes.append(node)
            # Right behind what they measure, and run in this order: else everything is kept until
            # the end (S2 at 512 px: 9.4 GB instead of 2.6).
            for name in shapes.keys() & set(node.output):
                nodes += _extremes(name)
                if name in wanted and name in channels:
                    nodes += _per_channel(graph, name, channels[name], len(shapes[name]))
        del graph.node[:]
        graph.node.extend(nodes)
        marks = (_LOW, _HIGH, _PEAK, _MEAN)
        names += [n for node in nodes for n in node.output if n.startswith(marks)]
    for name in names:
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    with tempfile.TemporaryDirectory(dir=work) as folder:
        path = write_model(instrumented, Path(folder), check=False)["model.onnx"]
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _extremes(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node(kind, [name], [output], name=output, keepdims=0)
        for kind, output in (("ReduceMin", _LOW + name), ("ReduceMax", _HIGH + name))
    ]


def _per_channel(graph: onnx.GraphProto, name: str, axis: int, rank: int) -> list[onnx.NodeProto]:
    axes = [i for i in range(rank) if i != axis % rank]
    constant, size = f"axes of {name}", f"sizes of {name}"
    graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), constant))
    return [
        helper.make_node("Abs", [name], [size], name=size),
        *(
            helper.make_node(kind, [source, constant], [output], name=output, keepdims=0)
            for kind, source, output in (
                ("ReduceMax", size, _PEAK + name),
                ("ReduceMean", name, _MEAN + name),
            )
        ),
    ]


def _note(
    seen: dict[str, TensorRange], output: str, values: NDArray[np.float32], pair: str
) -> None:
    name = output.split(" of ", 1)[-1]
    if not np.isfinite(values).all():
        raise InputError(
            f"calibration pair {pair}: the network gives NaN or infinity at {name}; leave the pair "
            "out, or use a checkpoint whose training did not diverge"
        )
    found = seen[name]
    if output.startswith(_LOW):
        found.low = min(found.low, float(values))
    elif output.startswith(_HIGH):
        found.high = max(found.high, float(values))
    elif output.startswith(_PEAK):
        peak = values.astype(np.float64)
        before = found.channel_peak
        found.channel_peak = peak if before is None else np.maximum(before, peak)
    elif output.startswith(_MEAN):
        mean = values.astype(np.float64)
        found.channel_mean = mean if found.channel_mean is None else found.channel_mean + mean
    else:
        assert found.histogram is not None
        flat = values.reshape(-1)
        # An odd step visits every channel; the extremes come from all values.
        step = flat.size // SAMPLE | 1
        found.histogram.add(flat[::step])
