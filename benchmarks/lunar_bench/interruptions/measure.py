"""A campaign: every task, interrupted in every way, and started again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.bundles.bundle import Bundle, default_bundle_path

from lunar_bench.interruptions.bench import Bench, Whole
from lunar_bench.interruptions.record import KINDS, Head, InterruptionsResult, Kind, Trial
from lunar_bench.interruptions.tasks import TASKS, Task
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine

#: MiB: below, Python itself does not start; above, a pair of a camera's size has enough.
_MEMORY_MIB = (30.0, 1500.0)
_USUAL = tuple(task.name for task in TASKS if not task.slow)
_GOLDEN = (5**0.5 - 1) / 2


def measure_interruptions(
    points: int,
    seed: int,
    *,
    tasks: Sequence[str] = (),
    kinds: Sequence[Kind] = (),
    journal: Path | None = None,
    go_on: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> InterruptionsResult:
    """Interrupt commands, look at what is on the disk, and start them again.

    Args:
        points: Moments of each kind; the tasks take turns.
        seed: Of the moments.
        tasks: Of them; empty is all.
        kinds: The same.
        journal: Keeps every trial, so that a stopped campaign goes on.
        go_on: Interrupt what the journal lacks; else nothing is run, and what it has is counted.
        tell: Given a line a trial.

    Raises:
        UsageError: A full disk cannot be made here.
        InputError: The journal is another campaign's.
    """
    kept = Journal(journal, Head(seed=seed), Trial)
    if not go_on:
        return summarise(list(kept.done.values()), seed, points)
    with tempfile.TemporaryDirectory(prefix="lunar-bench-interruptions-") as work:
        bench = Bench(Path(work))
        wholes: dict[str, Whole] = {}
        for name, task, kind, share in _plan(points, seed, tasks, kinds):
            if name in kept.done:
                continue
            if task.name not in wholes:
                wholes[task.name] = bench.whole(task)
            writing = share.late and kind in ("kill", "term")
            at = _moment(kind, wholes[task.name], share.value, writing=writing)
            trial = bench.trial(name, task, kind, at, writing)
            kept.add(trial)
            tell(f"{name}: {trial.exit}, {trial.state}; {'; '.join(trial.faults) or 'well'}")
    wanted = [name for name, *_ in _plan(points, seed, tasks, kinds)]
    return summarise([kept.done[name] for name in wanted], seed, points)


def summarise(trials: list[Trial], seed: int, points: int) -> InterruptionsResult:
    """Count what became of the trials."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for trial in trials:
        tasks = counts.setdefault(trial.kind, {})
        tasks.setdefault(trial.task, Counter())[f"exit {trial.exit}, {trial.state}"] += 1
    return InterruptionsResult(
        bundle_digest=Bundle.open(default_bundle_path()).digest,
        seed=seed,
        points=points,
        counts={
            kind: {task: dict(found.most_common()) for task, found in tasks.items()}
            for kind, tasks in counts.items()
        },
        swept=sum(trial.left > 0 and not trial.next_left and trial.next_told for trial in trials),
        faults=[trial for trial in trials if trial.faults],
        trials=trials,
        machine=describe_machine(),
    )


def summary(result: InterruptionsResult) -> Iterator[str]:
    """A line a kind and task, then the faults."""
    for kind, tasks in result.counts.items():
        for task, found in tasks.items():
            outcomes = ", ".join(f"{count} x {what}" for what, count in found.items())
            yield f"{kind:<8}{task:<10}{outcomes}"
    yield (
        f"{len(result.trials)} trials, {len(result.faults)} with a fault; {result.swept} left "
        "something, which the next start removed and told"
    )
    for trial in result.faults:
        yield f"  {trial.id} at {trial.at:.4g}: {'; '.join(trial.faults)}: {trial.said}"


class _Share(NamedTuple):
    """One of the moments of a kind and task.

    Attributes:
        late: Whether a signal is to come while the output is written: every second one of a task,
            and of neighbours.
        value: Place between the first possible moment, 0, and the last, 1.
    """

    late: bool
    value: float


def _plan(
    points: int, seed: int, tasks: Sequence[str], kinds: Sequence[Kind]
) -> Iterator[tuple[str, Task, Kind, _Share]]:
    """Of every trial its name, what is interrupted and how, and when: the tasks take turns."""
    for number in range(points):
        for kind in KINDS:
            there = [t for t in TASKS if kind in t.kinds and t.name in (tasks or _USUAL)]
            if not there or (kinds and kind not in kinds):
                continue
            task, turn = there[number % len(there)], number // len(there)
            # However many there are, they are spread evenly, and more of them begin with the same.
            share = (seed * _GOLDEN**2 + turn * _GOLDEN) % 1.0
            yield (
                f"{task.name}-{kind}-{number}",
                task,
                kind,
                _Share((number + turn) % 2 == 1, share),
            )


def _moment(kind: Kind, whole: Whole, share: float, *, writing: bool) -> float:
    """Second, byte or MiB. Every second signal comes while the output is written: that is short."""
    if kind in ("address", "data"):
        low, high = _MEMORY_MIB
        return float(low * (high / low) ** share)
    if kind == "disk":
        return float(4096 + share * whole.bytes)
    if writing:
        return share * (whole.took_s - whole.wrote_from_s)
    # A stop once the network is there: its load may take longer than anybody waits here.
    first = 0.6 * whole.took_s if kind == "stop" else 0.0
    return first + share * (whole.took_s - first)
