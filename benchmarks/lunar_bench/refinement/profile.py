"""Where the refinement's time goes."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path

import msgspec
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime

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
    ("inference.solve", "solve_geometry", "depth, slope and their errors"),
)


class Part(msgspec.Struct, frozen=True):
    """One part of the work: its time, calls included, in a run under a profiler."""

    part: str
    ms: float
    calls: int


class RefinementProfile(msgspec.Struct, frozen=True):
    """Time of one pair besides the network.

    Attributes:
        pair: Its name.
        size: Height and width.
        threads: Of OpenCV and the network.
        besides_network: Everything but reading the files and the network, without a profiler.
        network: The network's.
        parts: Of one run under cProfile, longest first; its total is larger by the profiler.
        machine: Where.
    """

    pair: str
    size: tuple[int, int]
    threads: int
    besides_network: Timing
    network: Timing
    parts: list[Part]
    machine: Machine


def profile_refinement(
    bundle: Path | None, pair: KnownPair, rounds: int, threads: int | None
) -> RefinementProfile:
    """Time a pair, then profile it once.

    Args:
        bundle: Of the network; None = the one in the package.
        pair: It must be one that can be refined.
        rounds: How often, after one run to warm up.
        threads: CPU threads of OpenCV and the network; None = one per core.

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
    besides = [sum(v for k, v in m.items() if k not in ("read", "network")) for m in measured]
    return RefinementProfile(
        pair=pair.name,
        size=(pair.left.shape[0], pair.left.shape[1]),
        threads=threads,
        besides_network=summarise(besides),
        network=summarise([m["network"] for m in measured]),
        parts=_parts(pstats.Stats(profiler)),
        machine=machine,
    )


def _parts(stats: pstats.Stats) -> list[Part]:
    found = []
    for (file, _, name), (_, calls, _, total, _) in stats.stats.items():  # type: ignore[attr-defined]
        for module, function, part in PARTS:
            place = f"lunar_runtime/{module.replace('.', '/')}.py"
            if name == function and Path(file).as_posix().endswith(place):
                found.append(Part(part, round(1e3 * total, 1), calls))
    return sorted(found, key=lambda part: -part.ms)
