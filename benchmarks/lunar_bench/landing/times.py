"""How long hazards, sites and maps take after a pair was refined."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from lunar_ground.maps.write import write_maps
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError
from lunar_runtime.files.held_memory import keep
from lunar_runtime.files.work_folder import work_folder
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.landing import find_landing
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from lunar_runtime.report.outputs import write_result
from numpy.typing import NDArray

from lunar_bench.landing.cases import LandingCase
from lunar_bench.landing.times_record import LandingTimes, WorkTimes
from lunar_bench.sensors.machine import describe_machine, usable_cores
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.statistics import summarise

_LATITUDE_DEG, _LONGITUDE_DEG = 10.3, 77.4
_TURN_DEG = 30.0  # of the camera against north: a raster turned by that has the most cells


def time_landings(
    cases: Iterable[LandingCase],
    data: str,
    rounds: int,
    *,
    bundle: Path | None = None,
    threads: int | None = None,
) -> LandingTimes:
    """Time hazards with sites, and maps in a local frame and in a lunar projection, in turn.

    Maps are read from a result folder, and written to a disk until they are there.

    Args:
        cases: Pairs and vehicles.
        data: What they are, in words.
        rounds: Timed, after one that is not.
        bundle: Of the network; None = the one in the package.
        threads: Of the processor; None = one per core.

    Raises:
        InputError: No pair is measured in metres.
        OutputError: The maps cannot be written.
    """
    keep()  # as lunar-map
    threads = threads or usable_cores()
    works: list[WorkTimes] = []
    size = (0, 0)
    with (
        opencv_threads(threads),
        StereoRuntime.load(bundle, threads=threads) as runtime,
        work_folder("lunar-bench") as folder,
    ):
        for case in cases:
            pair = case.pair
            result = runtime.infer(pair.left, pair.right, case.rig, refine="on")
            if result.verdict == "measured":
                works += _timed(case, result, folder / str(len(works)), rounds)
                size = (pair.left.shape[0], pair.left.shape[1])
    if not works:
        raise InputError(f"{data}: no pair is measured; give another seed")
    return LandingTimes(data, size, threads, works, describe_machine())


def _timed(
    case: LandingCase, result: StereoResult, folder: Path, rounds: int
) -> Iterator[WorkTimes]:
    landing = find_landing(result, case.lander)
    works: dict[str, Callable[[], int]] = {
        "hazards and sites": lambda: find_landing(result, case.lander).grid.height.size
    }
    numbers = count()

    def maps(source: Path) -> int:
        out = folder / f"maps{next(numbers)}"
        return write_maps(source, out).cells.height.size

    for name, pose in (("local frame", None), ("lunar projection", _on_the_moon(result))):
        placed = replace(result, body_from_left=pose)
        write_result(placed, folder / name, landing=landing)
        works[f"maps, {name}"] = partial(maps, folder / name)
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    cells = {name: work() for name, work in works.items()}
    for _ in range(rounds):
        for name, work in works.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            work()
            cpu[name].append(1e3 * (time.process_time() - start_cpu))
            wall[name].append(1e3 * (time.perf_counter() - start))
        for written in folder.glob("maps*"):
            shutil.rmtree(written)
    for name in works:
        yield WorkTimes(
            pair=case.pair.name,
            work=name,
            cells=cells[name],
            wall=summarise(wall[name]),
            cpu=summarise(cpu[name]),
        )


def _on_the_moon(result: StereoResult) -> NDArray[np.float64]:
    """A pose on the Moon with the result's up on the radius, turned against north."""
    lat, lon, turn = np.radians([_LATITUDE_DEG, _LONGITUDE_DEG, _TURN_DEG])
    out = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.cross(out, east)
    up = np.asarray(result.up.vector, np.float64)
    x = np.array([1.0, 0, 0]) - up[0] * up
    x /= np.linalg.norm(x)
    level = np.stack([x, np.cross(up, x), up])
    along = np.cos(turn) * east + np.sin(turn) * north
    pose = np.eye(4)
    pose[:3, :3] = np.stack([along, np.cross(out, along), out], axis=1) @ level
    height = -float(np.nanmedian(result.pointmap_left @ up))
    pose[:3, 3] = out * (MOON_RADIUS_M + height)
    return pose
