"""A campaign of deadlines: pairs in turn, one deadline after the other, beside another load."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.errors import DeadlineError, InputError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.options import Refine

from lunar_bench.deadlines.growth import measure_growth
from lunar_bench.deadlines.load import burners
from lunar_bench.deadlines.record import Answer, DeadlineRow, DeadlinesResult, JournalHead
from lunar_bench.deadlines.rungs import measure_rungs
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads

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
    journal: Path | None = None,
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
        journal: A file that keeps every answer as it is made, so that a stopped campaign goes on.
        tell: Given what is done, now and then.

    Raises:
        InputError: The journal is of another campaign.
        OutputError: The journal cannot be written.
    """
    machine = describe_machine()
    learning_s, rungs, rows = 0.0, [], []
    with opencv_threads(threads), StereoRuntime.load(bundle, threads=threads) as runtime:
        digest = runtime.bundle.digest
        if pairs:
            head = JournalHead(digest, size_px, seed, scenes, threads or usable_cores(), load)
            kept = Journal(journal, head, Answer)
            known = list(rendered_pairs(scenes, size_px, seed))
            turns = [(d, number) for number in range(pairs) for d in deadlines_ms]
            left = [turn for turn in turns if _name(*turn) not in kept.done]
            if left:
                with burners(load):
                    start = time.perf_counter()
                    runtime.learn_costs(size_px, size_px)
                    learning_s = time.perf_counter() - start
                    tell(f"costs learned in {learning_s:.0f} s")
                    for deadline_ms, number in left:
                        pair = known[number % scenes]
                        kept.add(_answer(runtime, pair, deadline_ms, number))
                        tell(f"pair {number + 1} of {pairs}, {deadline_ms:g} ms")
            rows = [
                _row(d, [kept.done[_name(d, number)] for number in range(pairs)])
                for d in deadlines_ms
            ]
            rungs = measure_rungs(runtime, known)
        refines: tuple[Refine, ...] = ("off", "auto")
        grown = [
            measure_growth(runtime, count, _GROWTH_PX, seed, refine=refine)
            for count, refine in zip(growth, refines, strict=True)
            if count
        ]
    return DeadlinesResult(
        bundle_digest=digest,
        size_px=size_px,
        seed=seed,
        scenes=scenes,
        threads=threads or usable_cores(),
        burners=load,
        learning_s=round(learning_s, 2),
        rows=rows,
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


def _answer(runtime: StereoRuntime, pair: KnownPair, deadline_ms: float, number: int) -> Answer:
    rig = Rig(left=pair.camera_left, right=pair.camera_right)
    start = time.perf_counter()
    flown: Flown | None = None
    with suppress(DeadlineError, InputError):
        flown = runtime.infer(pair.left, pair.right, rig, deadline_ms=deadline_ms).flown
    took_ms = (time.perf_counter() - start) * 1e3  # around the call, not by what is measured
    rung = None
    if flown is not None:
        rung = flown.rung if flown.step == 1 else f"{flown.rung} 1/{flown.step}"
    passed_over = () if flown is None else flown.passed_over
    return Answer(
        id=_name(deadline_ms, number),
        deadline_ms=deadline_ms,
        took_ms=round(took_ms, 2),
        rung=rung,
        given_up=any("no time was left before" in why for why in passed_over),
        age_s=None if flown is None else flown.age_s,
    )


def _name(deadline_ms: float, number: int) -> str:
    return f"{deadline_ms:g} ms, {number}"


def _row(deadline_ms: float, answers: Sequence[Answer]) -> DeadlineRow:
    took = np.array([each.took_ms for each in answers])
    late = took[took > deadline_ms] - deadline_ms
    ages = [each.age_s for each in answers if each.age_s is not None]
    rungs = [each.rung for each in answers if each.rung is not None]
    return DeadlineRow(
        deadline_ms=deadline_ms,
        pairs=len(answers),
        met=sum(each.rung is not None and each.took_ms <= deadline_ms for each in answers),
        late_ms=_percentiles(late, _LATE_AT) if len(late) else [],
        took_ms=_percentiles(took, _TOOK_AT),
        flown=dict(Counter(rungs).most_common()),
        given_up=sum(each.given_up for each in answers),
        nothing=len(answers) - len(rungs),
        median_age_s=float(np.median(ages)) if ages else None,
    )


def _percentiles(values: np.ndarray, at: Sequence[int]) -> list[float]:
    return [round(float(value), 1) for value in np.percentile(values, at)]
