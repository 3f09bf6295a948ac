"""How every peer's time grows with the size of the images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import InputError

from lunar_bench.accuracy.pairs import fit_known
from lunar_bench.peers.methods import Name, peers
from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.rounds import in_turn


class GrowthReport(msgspec.Struct, frozen=True):
    """Times by size.

    Attributes:
        pair: Which; it is enlarged or reduced.
        sizes: Sides, pixels.
        ms: Peer -> median time at each size; None = it gave nothing there.
        cpu_ms: The same of the processor's time, which other programs lengthen less.
        exponent: Peer -> of the processor's time in the number of pixels: 1 = a pixel always takes
            as long.
        threads: Of every library.
        rounds: How often each was run, in turn.
        machine: Where.
    """

    pair: str
    sizes: list[int]
    ms: dict[Name, list[float | None]]
    cpu_ms: dict[Name, list[float | None]]
    exponent: dict[Name, float]
    threads: int
    rounds: int
    machine: Machine


def measure_growth(
    pair: KnownPair,
    sizes: Sequence[int],
    *,
    bundle: Path | None = None,
    threads: int = 1,
    rounds: int = 3,
    tell: Callable[[int], None] = lambda _: None,
) -> GrowthReport:
    """Time every peer at every size.

    Results of ours have all of the images' pixels.

    Args:
        pair: Square.
        sizes: Sides, at least two, pixels.
        bundle: Of the network; None = the one in the package.
        threads: Of OpenCV and of the network.
        rounds: Each peer once a round.
        tell: Told of every size.
    """
    machine = describe_machine()
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        ways = peers(runtime)
        ms: dict[Name, list[float | None]] = {name: [] for name in ways}
        cpu_ms: dict[Name, list[float | None]] = {name: [] for name in ways}
        for size in sizes:
            tell(size)
            fitted, _ = fit_known(pair, (1, 1), size)
            times: dict[Name, list[tuple[float, float]]] = {name: [] for name in ways}
            for number in range(rounds):
                for name in in_turn(list(ways), number):
                    begin, of_cpu = time.perf_counter(), time.process_time()
                    try:
                        ways[name].run(fitted)
                    except InputError:
                        continue
                    times[name].append((time.perf_counter() - begin, time.process_time() - of_cpu))
            for name, values in times.items():
                ms[name].append(_median_ms([wall for wall, _ in values]))
                cpu_ms[name].append(_median_ms([cpu for _, cpu in values]))
    return GrowthReport(
        pair=pair.name,
        sizes=list(sizes),
        ms=ms,
        cpu_ms=cpu_ms,
        exponent={name: _exponent(sizes, values) for name, values in cpu_ms.items()},
        threads=threads,
        rounds=rounds,
        machine=machine,
    )


def _median_ms(seconds: Sequence[float]) -> float | None:
    return float(f"{1e3 * np.median(seconds):.4g}") if seconds else None


def _exponent(sizes: Sequence[int], ms: list[float | None]) -> float:
    known = [(size, t) for size, t in zip(sizes, ms, strict=True) if t is not None]
    if len(known) < 2:
        return float("nan")
    pixels, times = np.log(np.array(known, np.float64)).T
    return float(f"{np.polyfit(2 * pixels, times, 1)[0]:.3g}")
