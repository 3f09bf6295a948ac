"""Where the refinement's time goes, and how it grows with the size of the images."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.refinement.refine import refine_pose_and_surface

from lunar_bench.record.machine import Machine
from lunar_bench.record.times import Timing
from lunar_bench.sensors.machine import describe_machine, usable_cores
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.statistics import summarise

#: Module of the runtime, function, what it is. None of them calls another; a test looks them up.
PARTS = (
    ("inference.pipeline", "_run", "the network"),
    ("geometry.grid_mapping", "resample", "the images on a grid"),
    ("inference.maps", "read_maps", "the network's pose and cameras"),
    ("refinement.matching", "match_features", "features and their matches"),
    ("refinement.relative_pose", "start_poses", "pose: MAGSAC"),
    ("refinement.relative_pose", "fit_pose", "pose: fits to sparse and dense matches"),
    ("refinement.prior", "relief_bands", "prior: the network's relief"),
    ("refinement.prior", "fit_prior", "prior: fits"),
    ("refinement.dense_match", "measure_flow", "optical flow"),
    ("refinement.dense_match", "linearise", "brightness along epipolar lines"),
    ("refinement.thin_plate", "solve_thin_plate", "thin plate: surfaces"),
    ("refinement.thin_plate", "sample_thin_plate", "thin plate: draws of the error"),
    ("refinement.shading", "shade", "shading"),
    ("refinement.shading", "of_draws", "shading: draws of the error"),
    ("inference.solve", "solve_geometry", "depth, slope and their errors"),
)


class Part(msgspec.Struct, frozen=True):
    """One part of the work: its time, calls included, in a run under a profiler."""

    part: str
    ms: float
    calls: int


class SizeTimes(msgspec.Struct, frozen=True):
    """The refinement alone, without a network, at one size.

    Attributes:
        size: Height and width.
        cpu_ms: Processor time, median.
        parts_ms: Part -> processor time in the fastest of the runs under a profiler.
    """

    size: tuple[int, int]
    cpu_ms: float
    parts_ms: dict[str, float]


class Growth(msgspec.Struct, frozen=True):
    """How the refinement's time grows, on one ground rendered at every size.

    Attributes:
        sizes: Each size, in turn.
        exponent: Of the processor's time in the number of pixels: 1 = a pixel always takes as long.
        parts: The same of every part that takes a hundredth of the time at the largest size.
    """

    sizes: list[SizeTimes]
    exponent: float
    parts: dict[str, float]


class RefinementProfile(msgspec.Struct, frozen=True, omit_defaults=True):
    """Time of one pair besides the network.

    Attributes:
        pair: Its name.
        size: Height and width.
        threads: Of OpenCV and the network.
        besides_network: Everything but reading the files and the network, without a profiler.
        network: The network's.
        parts: Of one run under cProfile, longest first; its total is larger by the profiler.
        machine: Where.
        growth: Over further sizes; None = not asked for.
    """

    pair: str
    size: tuple[int, int]
    threads: int
    besides_network: Timing
    network: Timing
    parts: list[Part]
    machine: Machine
    growth: Growth | None = None


def profile_refinement(
    bundle: Path | None,
    pair: KnownPair,
    rounds: int,
    threads: int | None,
    larger: Iterable[KnownPair] = (),
) -> RefinementProfile:
    """Time a pair, then profile it once.

    Args:
        bundle: Of the network; None = the one in the package.
        pair: It must be one that can be refined.
        rounds: How often, after one run to warm up.
        threads: CPU threads of OpenCV and the network; None = one per core.
        larger: The same ground at other sizes, for the growth; none = not measured.

    Raises:
        NotRefinedError: The pair cannot be refined.
    """
    machine = describe_machine()
    threads = threads or usable_cores()
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:

        def run() -> dict[str, float]:
            return runtime.infer(
                pair.left, pair.right, intrinsics=pair.camera_left, refine="on"
            ).timings_ms

        run()
        measured = [run() for _ in range(rounds)]
        profiler = cProfile.Profile()
        profiler.runcall(run)
    pairs = list(larger)
    grown = measure_growth([pair, *pairs], rounds) if pairs else None
    besides = [sum(v for k, v in m.items() if k not in ("read", "network")) for m in measured]
    return RefinementProfile(
        pair=pair.name,
        size=_size(pair),
        threads=threads,
        besides_network=summarise(besides),
        network=summarise([m["network"] for m in measured]),
        parts=_parts(pstats.Stats(profiler)),
        machine=machine,
        growth=grown,
    )


def measure_growth(pairs: list[KnownPair], rounds: int) -> Growth:
    """Time the refinement at several sizes in turn, on one thread.

    Args:
        pairs: Of one ground, ascending.
        rounds: At each size.

    Raises:
        NotRefinedError: A pair cannot be refined.
    """
    times: list[list[float]] = [[] for _ in pairs]
    parts: list[dict[str, float]] = [{} for _ in pairs]
    with opencv_threads(1):
        for _ in range(rounds):
            for at, pair in enumerate(pairs):
                run = partial(refine_pose_and_surface, pair.views())
                times[at].append(_processor_ms(run))
                profiler = cProfile.Profile(time.process_time)
                profiler.runcall(run)
                for part in _parts(pstats.Stats(profiler)):
                    parts[at][part.part] = min(part.ms, parts[at].get(part.part, np.inf))
    sizes = [
        SizeTimes(_size(pair), float(np.median(ms)), found)
        for pair, ms, found in zip(pairs, times, parts, strict=True)
    ]
    last = sizes[-1]
    large = [part for part, ms in last.parts_ms.items() if ms > last.cpu_ms / 100]
    return Growth(
        sizes,
        growth_exponent(sizes, [one.cpu_ms for one in sizes]),
        {
            part: growth_exponent(sizes, [one.parts_ms.get(part, 0) for one in sizes])
            for part in large
        },
    )


def _processor_ms(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return 1e3 * (time.process_time() - started)


def _size(pair: KnownPair) -> tuple[int, int]:
    return pair.left.shape[0], pair.left.shape[1]


def growth_exponent(sizes: list[SizeTimes], ms: list[float]) -> float:
    """Of times in the number of pixels, by least squares on the logarithms."""
    pixels = np.log([float(one.size[0] * one.size[1]) for one in sizes])
    return round(float(np.polyfit(pixels, np.log(np.maximum(ms, 1e-3)), 1)[0]), 3)


def _parts(stats: pstats.Stats) -> list[Part]:
    found = []
    for (file, _, name), (_, calls, _, total, _) in stats.stats.items():  # type: ignore[attr-defined]
        for module, function, part in PARTS:
            place = f"lunar_runtime/{module.replace('.', '/')}.py"
            if name == function and Path(file).as_posix().endswith(place):
                found.append(Part(part, round(1e3 * total, 1), calls))
    return sorted(found, key=lambda part: -part.ms)
