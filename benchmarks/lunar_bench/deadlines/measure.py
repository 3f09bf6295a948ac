"""A campaign of deadlines: pairs in turn, one deadline after the other, beside another load."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import StereoResult, StereoRuntime
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.errors import DeadlineError, InputError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import Refine

from lunar_bench.deadlines.growth import measure_growth
from lunar_bench.deadlines.load import burners
from lunar_bench.deadlines.record import DeadlineRow, DeadlinesResult
from lunar_bench.deadlines.rungs import measure_rungs
from lunar_bench.sensors.machine import describe_machine

_GROWTH_PX = 128
_LATE_AT, _TOOK_AT = (50, 95, 100), (50, 95, 99, 100)


def measure_deadlines(
    bundle: Path | None,
    deadlines_ms: Sequence[float],
    pairs: int,
    *,
    scenes: int,
    size_px: int,
    seed: int,
    threads: int | None,
    load: int,
    growth: tuple[int, int] = (0, 0),
    tell: Callable[[str], None] = lambda _: None,
) -> DeadlinesResult:
    """Answer rendered pairs within deadlines, and score every rung on them without one.

    Deadlines take turns pair by pair, so that each sees the same of the machine's other work.

    Args:
        bundle: Its folder; None is the one in the package.
        deadlines_ms: To try.
        pairs: Of each; 0 = neither deadlines nor rungs are tried.
        scenes: Different pairs, which take turns.
        size_px: Side of the pairs.
        seed: Of the pairs.
        threads: Of network and refinement; None = as many as there are cores.
        load: Processes that compute beside it.
        growth: Small pairs over which memory is watched: unrefined, and refined; 0 = not.
        tell: Given what is done, now and then.
    """
    machine = describe_machine()
    if threads is not None:
        cv2.setNumThreads(threads)
    learning_s, rungs = 0.0, []
    tallies = {deadline_ms: _Tally(deadline_ms) for deadline_ms in deadlines_ms if pairs}
    with StereoRuntime.load(bundle, threads=threads) as runtime:
        if pairs:
            known = list(rendered_pairs(scenes, size_px, seed))
            with burners(load):
                start = time.perf_counter()
                runtime.learn_costs(size_px, size_px)
                learning_s = time.perf_counter() - start
                tell(f"costs learned in {learning_s:.0f} s")
                for number in range(pairs):
                    for tally in tallies.values():
                        tally.run(runtime, known[number % scenes])
                    tell(f"{number + 1} of {pairs} pairs")
            rungs = measure_rungs(runtime, known)
        refines: tuple[Refine, ...] = ("off", "auto")
        grown = [
            measure_growth(runtime, count, _GROWTH_PX, seed, refine=refine)
            for count, refine in zip(growth, refines, strict=True)
            if count
        ]
        digest = runtime.bundle.digest
    return DeadlinesResult(
        bundle_digest=digest,
        size_px=size_px,
        seed=seed,
        scenes=scenes,
        threads=threads or usable_cores(),
        burners=load,
        learning_s=round(learning_s, 2),
        rows=[tally.row() for tally in tallies.values()],
        rungs=rungs,
        growth=grown,
        machine=machine,
    )


def summary(result: DeadlinesResult) -> Iterator[str]:
    """A line a deadline, then a line a rung."""
    for row in result.rows:
        flown = ", ".join(f"{name} {count}" for name, count in row.flown.items())
        yield (
            f"{row.deadline_ms:>6g} ms  {row.met / row.pairs:7.2%} of {row.pairs} met; p99 "
            f"{row.took_ms[2]:.0f} ms; {flown}"
        )
    for rung in result.rungs:
        miss = ", ".join(f"{value:.0%} over {limit} deg" for limit, value in rung.miss.items())
        yield (
            f"{rung.rung:<12}{rung.pairs} pairs, {rung.refused} refused, {rung.measured} measured; "
            f"depth {rung.absrel_median or 0:.2%}, slope {rung.slope_mae_deg or 0:.1f} deg, "
            f"misses {miss}; {rung.took_ms:.0f} ms"
        )
    for grown in result.growth:
        low, high = grown.kib_per_pair_range or (grown.kib_per_pair,) * 2
        yield (
            f"memory over {grown.pairs} pairs, refine {grown.refine}: {grown.first_mib:.0f} to "
            f"{grown.last_mib:.0f} MiB, {grown.kib_per_pair:+.2f} KiB a pair "
            f"({low:+.2f} to {high:+.2f})"
        )
        if grown.stack_kib is not None:
            yield f"largest stack of {grown.stacks} threads: {grown.stack_kib} KiB were used"


class _Tally:
    """Pairs of one deadline."""

    def __init__(self, deadline_ms: float) -> None:
        self._deadline_ms = deadline_ms
        self._took_ms: list[float] = []
        self._ages_s: list[float] = []
        self._flown: Counter[str] = Counter()
        self._given_up = self._nothing = self._met = 0

    def run(self, runtime: StereoRuntime, pair: KnownPair) -> None:
        rig = Rig(left=pair.camera_left, right=pair.camera_right)
        start = time.perf_counter()
        result: StereoResult | None = None
        try:
            result = runtime.infer(pair.left, pair.right, rig, deadline_ms=self._deadline_ms)
        except (DeadlineError, InputError):
            self._nothing += 1
        # Measured here, around the call, and not by what is measured.
        self._took_ms.append((time.perf_counter() - start) * 1e3)
        if result is None or result.flown is None:
            return
        flown = result.flown
        self._met += self._took_ms[-1] <= self._deadline_ms
        self._flown[flown.rung if flown.step == 1 else f"{flown.rung} 1/{flown.step}"] += 1
        self._given_up += any("no time was left before" in why for why in flown.passed_over)
        if flown.age_s is not None:
            self._ages_s.append(flown.age_s)

    def row(self) -> DeadlineRow:
        took = np.array(self._took_ms)
        late = took[took > self._deadline_ms] - self._deadline_ms
        return DeadlineRow(
            deadline_ms=self._deadline_ms,
            pairs=len(took),
            met=self._met,
            late_ms=_percentiles(late, _LATE_AT) if len(late) else [],
            took_ms=_percentiles(took, _TOOK_AT),
            flown=dict(self._flown.most_common()),
            given_up=self._given_up,
            nothing=self._nothing,
            median_age_s=float(np.median(self._ages_s)) if self._ages_s else None,
        )


def _percentiles(values: np.ndarray, at: Sequence[int]) -> list[float]:
    return [round(float(value), 1) for value in np.percentile(values, at)]
