"""The published protocol for sequences: N views, N - 1 consecutive pairs.

There every pair is run by itself, so that a view is encoded twice. Here its features are kept and
serve both of its pairs (`shared`), beside the published way (`pairwise`). Bundles of one graph are
always pairwise; those of two keep features as the runtime does, and are compared with the one graph
of the same network. Outputs are dropped pair by pair, as on board: memory does not grow with N.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime import Bundle
from lunar_runtime.backends.features import feature_record_of, forget_views
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.bundles.manifest import StudentRecord
from lunar_runtime.errors import UsageError
from numpy.typing import NDArray

from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine, usable_cores
from lunar_bench.timing.rounds import interleave

if TYPE_CHECKING:
    from lunar_student import Student
    from torch import Tensor

SHARED, PAIRWISE = "eager shared", "eager pairwise"
_KEPT = 2  # views of a sequence whose pairs are neighbours
_RENDERED = 2  # pairs: four frames, which are shown in turn; time does not depend on them


class Line(msgspec.Struct, frozen=True):
    """Times of sequences, and the straight line through them.

    Attributes:
        ms: Views -> median time of the whole sequence.
        ms_per_pair: Slope of the line.
        ms_at_once: Its intercept: what the sequence costs besides its pairs. For `shared` that is
            one encoder run, for the others nothing.
        nonlinearity: Largest deviation from the line, over the line.
    """

    ms: dict[int, float]
    ms_per_pair: float
    ms_at_once: float
    nonlinearity: float


class SequenceTimes(msgspec.Struct, frozen=True):
    """One candidate.

    Attributes:
        wall: What a clock shows.
        cpu: Processor time of all threads together. With one thread it is about what the clock
            would show on a quiet machine.
    """

    wall: Line
    cpu: Line


class SlidingResult(msgspec.Struct, frozen=True):
    """Time against the number of views.

    Attributes:
        student: Family id of the eager network.
        outputs: What every pair computes.
        size: Height and width of the images.
        threads: CPU threads of each candidate.
        rounds: Views -> timed rounds, interleaved.
        sequences: Candidate -> its times.
        shared_over_pairwise: Views -> ratio of the two medians; empty without the eager network.
        cpu_shared_over_pairwise: The same of the processor times.
        machine: Where.
        split_over_whole: Bundle in two graphs -> the same ratio, to that network in one graph.
        cpu_split_over_whole: The same of the processor times.
        view_mb: Bundle in two graphs -> what a kept view takes, with its pixels, MB.
    """

    student: str
    outputs: str
    size: tuple[int, int]
    threads: int
    rounds: dict[int, int]
    sequences: dict[str, SequenceTimes]
    shared_over_pairwise: dict[int, float]
    cpu_shared_over_pairwise: dict[int, float]
    machine: Machine
    split_over_whole: dict[str, dict[int, float]] = {}
    cpu_split_over_whole: dict[str, dict[int, float]] = {}
    view_mb: dict[str, float] = {}


def measure_sliding(
    student_id: str,
    size: int,
    views: Sequence[int],
    *,
    bundles: Sequence[Path] = (),
    outputs: OutputSet,
    least_pairs: int,
    threads: int | None,
    eager: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> SlidingResult:
    """Time sequences of rendered frames.

    The eager network has random weights: time does not depend on them.

    Args:
        student_id: Member of the family, for the eager candidates.
        size: Side of the square images, pixels.
        views: Lengths of the sequences, at least two different ones of at least 2.
        bundles: Of this size.
        outputs: `left`, `both` or `all`: of the eager network.
        least_pairs: Every length is timed in as many rounds as it takes to run so many pairs: long
            sequences average over the machine's moods by themselves, short ones do not.
        threads: CPU threads of each candidate; None = one per core.
        eager: Time the eager network too.
        tell: Hears of every length.

    Raises:
        UsageError: No such student, a sequence too short, a bundle of another size, or nothing to
            time.
        BundleError: See `Bundle.open`.
    """
    import torch
    from lunar_student import FAMILY, build_student

    if student_id not in FAMILY:
        raise UsageError(f"no student {student_id!r}; known are {', '.join(FAMILY)}")
    threads = threads or usable_cores()
    lengths = sorted(set(views))
    if len(lengths) < 2 or lengths[0] < 2:
        raise UsageError("a line needs two different numbers of views, each of 2 or more")
    if not eager and not bundles:
        raise UsageError("nothing to time: give bundles, or time the eager network")
    opened = {path.name: _open(path, size) for path in bundles}
    whole = _whole_of(opened)
    backends = {
        name: select_backend(bundle, "onnxruntime", "cpu", threads, keep_views=_KEPT)
        for name, bundle in opened.items()
    }
    machine = describe_machine()
    torch.set_num_threads(threads)
    student = build_student(student_id).eval()
    frames = _frames(size)
    tensors = [torch.from_numpy(f).expand(-1, 3, -1, -1) / 127.5 - 1.0 for f in frames]
    names = (*((SHARED, PAIRWISE) if eager else ()), *backends)
    times: dict[str, dict[int, float]] = {name: {} for name in names}
    cpu: dict[str, dict[int, float]] = {name: {} for name in names}
    rounds = {length: max(1, -(-least_pairs // (length - 1))) for length in lengths}
    for length in lengths:
        shown = [tensors[i % len(tensors)] for i in range(length)]
        grey = [frames[i % len(frames)] for i in range(length)]
        candidates: dict[str, Callable[[], object]] = {}
        if eager:
            candidates[SHARED] = partial(run_shared, student, shown, outputs)
            candidates[PAIRWISE] = partial(run_pairwise, student, shown, outputs)
        for name, backend in backends.items():
            candidates[name] = partial(_run_bundle, backend, grey)
        warmup = 2 if length == lengths[0] else 0
        processor = {name: _Processor(run) for name, run in candidates.items()}
        for name, timing in interleave(processor, rounds[length], warmup).items():
            times[name][length] = timing.median_ms
            cpu[name][length] = float(np.median(processor[name].ms[warmup:]))
        tell(f"{length} views: " + ", ".join(f"{n} {times[n][length]:.0f} ms" for n in times))
    return SlidingResult(
        student=student_id,
        outputs=outputs,
        size=(size, size),
        threads=threads,
        rounds=rounds,
        sequences={
            name: SequenceTimes(fit_line(times[name]), fit_line(cpu[name])) for name in names
        },
        shared_over_pairwise=_ratios(times, SHARED, PAIRWISE),
        cpu_shared_over_pairwise=_ratios(cpu, SHARED, PAIRWISE),
        machine=machine,
        split_over_whole={name: _ratios(times, name, one) for name, one in whole.items()},
        cpu_split_over_whole={name: _ratios(cpu, name, one) for name, one in whole.items()},
        view_mb={name: _view_mb(backend) for name, backend in backends.items() if name in whole},
    )


def run_shared(student: Student, views: Sequence[Tensor], outputs: OutputSet) -> Tensor:
    """Every view encoded once; returns the last pair's left pointmap."""
    import torch

    with torch.inference_mode():
        before = student.encode(views[0])
        for view in views[1:]:
            after = student.encode(view)
            last = student.reconstruct(before, after, outputs).pointmap_left
            before = after
    return last


def run_pairwise(student: Student, views: Sequence[Tensor], outputs: OutputSet) -> Tensor:
    """Every pair by itself, as published; returns as `run_shared`."""
    import torch

    with torch.inference_mode():
        for left, right in itertools.pairwise(views):
            last: Tensor = student(left, right, outputs).pointmap_left
    return last


def fit_line(ms: dict[int, float]) -> Line:
    """The straight line of time over pairs, by relative least squares: all lengths count alike."""
    pairs = np.array([length - 1 for length in ms], np.float64)
    time = np.array(list(ms.values()))
    A = np.stack([pairs, np.ones_like(pairs)], axis=-1) / time[:, None]
    slope, intercept = np.linalg.lstsq(A, np.ones_like(time), rcond=None)[0]
    line = slope * pairs + intercept
    return Line(
        ms={length: round(value, 1) for length, value in ms.items()},
        ms_per_pair=round(float(slope), 2),
        ms_at_once=round(float(intercept), 2),
        nonlinearity=round(float(np.max(np.abs(time / line - 1))), 4),
    )


class _Processor:
    """Runs something, and keeps the processor time that each run took."""

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self.ms: list[float] = []

    def __call__(self) -> None:
        begin = time.process_time()
        self._run()
        self.ms.append(1e3 * (time.process_time() - begin))


def _ratios(ms: dict[str, dict[int, float]], one: str, other: str) -> dict[int, float]:
    if one not in ms:
        return {}
    return {length: round(ms[one][length] / ms[other][length], 4) for length in ms[one]}


def _whole_of(bundles: dict[str, Bundle]) -> dict[str, str]:
    """Each bundle in two graphs, and the one in one graph that holds the same network."""
    found = {}
    for name, bundle in bundles.items():
        if len(bundle.parts) == 1:
            continue
        for other, whole in bundles.items():
            if len(whole.parts) == 1 and _network(whole) == _network(bundle):
                found[name] = other
                break
        else:
            raise UsageError(f"{bundle.path}: give the same network in one graph too")
    return found


def _network(bundle: Bundle) -> tuple[StudentRecord, str, str]:
    manifest = bundle.manifest
    return manifest.student, manifest.graph.output_set, manifest.precision


def _view_mb(backend: Backend) -> float:
    kept = feature_record_of(backend)
    assert kept is not None and kept.views
    return round(kept.held_bytes / kept.views / 1e6, 2)


def _open(path: Path, size: int) -> Bundle:
    bundle = Bundle.open(path)
    graph = bundle.manifest.graph
    if (graph.height, graph.width) != (size, size):
        raise UsageError(
            f"{path}: is for {graph.height}x{graph.width} px; choose that size, or another bundle"
        )
    return bundle


def _frames(size: int) -> list[NDArray[np.uint8]]:
    """(1, 1, H, W) each."""
    pairs = list(rendered_pairs(_RENDERED, size, seed=0))
    return [image[None, None] for pair in pairs for image in (pair.left, pair.right)]


def _run_bundle(backend: Backend, frames: Sequence[NDArray[np.uint8]]) -> None:
    forget_views(backend)  # of the sequence before
    for left, right in itertools.pairwise(frames):
        backend.run(left, right)
