"""A campaign: every task, interrupted in every way, and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.errors import InputError, OutputError, UsageError

from lunar_bench.interruptions.interrupt import Ended, run
from lunar_bench.interruptions.record import KINDS, Head, InterruptionsResult, Kind, Trial
from lunar_bench.interruptions.tasks import TASKS, Task, digests, make_inputs, tidy
from lunar_bench.record.journal import Journal
from lunar_bench.sensors.machine import describe_machine

#: MiB: below, Python itself does not start; above, a pair of a camera's size has enough.
_MEMORY_MIB = (30.0, 1500.0)
_USUAL = tuple(task.name for task in TASKS if not task.slow)
_GOLDEN = (5**0.5 - 1) / 2
_LARGE_BYTES = 1 << 30
_FOUND = "a writer that was killed had left it", "was killed"
# Of each kind, exit codes that are right. A signal that comes before Python looks at signals ends
# the process without a word; one that comes late changes nothing.
_RIGHT: dict[Kind, tuple[int, ...]] = {
    "kill": (-9, 0),
    "term": (143, -15, 0),
    "stop": (0,),
    "disk": (OutputError.exit_code, 0),
    "address": (InputError.exit_code, 0),
    "data": (InputError.exit_code, 0),
}


class _Whole(NamedTuple):
    """A task that nobody interrupts."""

    took_s: float
    wrote_from_s: float
    bytes: int


def measure_interruptions(
    points: int,
    seed: int,
    *,
    tasks: Sequence[str] = (),
    kinds: Sequence[Kind] = (),
    journal: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> InterruptionsResult:
    """Interrupt commands, look at what is on the disk, and start them again.

    Args:
        points: Moments of each kind; the tasks take turns.
        seed: Of the moments.
        tasks: Of them; empty is all.
        kinds: The same.
        journal: Keeps every trial, so that a stopped campaign goes on.
        tell: Given a line a trial.

    Raises:
        UsageError: A full disk cannot be made here.
        InputError: The journal is another campaign's.
    """
    kept = Journal(journal, Head(seed=seed), Trial)
    with tempfile.TemporaryDirectory(prefix="lunar-bench-interruptions-") as work:
        bench = _Bench(Path(work))
        wholes: dict[str, _Whole] = {}
        for name, task, kind, share in _plan(points, seed, tasks, kinds):
            if name in kept.done:
                continue
            if task.name not in wholes:
                wholes[task.name] = bench.whole(task)
            writing = share.number % 2 == 1 and kind in ("kill", "term")
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


def faults_of(
    kind: Kind,
    ended: Ended,
    state: str,
    left: int,
    then: Ended | None,
    then_left: int,
    lines: int = 1,
) -> list[str]:
    """What must not be, in words.

    Args:
        kind: Of the interruption.
        ended: How the command ended.
        state: Of the output.
        left: Hidden files and folders.
        then: The next start, if there was one.
        then_left: Hidden files and folders after it.
        lines: That an error may have.
    """
    unsaid = left > 0 and then is not None and not _told(then)
    found = {
        "the output is half": state == "half",
        "a traceback": any(line.startswith("Traceback") for line in ended.err),
        f"ended with {ended.exit}": ended.exit not in _RIGHT[kind],
        f"{len(ended.err)} lines": ended.exit != 0 and len(ended.err) > lines,
        "says nothing": ended.exit not in (0, -9, -15) and not ended.err,
        f"the next start ended with {then and then.exit}": then is not None and then.exit != 0,
        f"the next start leaves {then_left}": then_left > 0,
        "the next start does not say what it found": unsaid,
    }
    return [what for what, is_so in found.items() if is_so]


class _Share(NamedTuple):
    """One of the moments of a kind and task.

    Attributes:
        number: Of them, from 0.
        value: Place between the first possible moment, 0, and the last, 1.
    """

    number: int
    value: float


def _told(then: Ended) -> bool:
    return any(word in line for line in then.err for word in _FOUND)


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
            yield f"{task.name}-{kind}-{number}", task, kind, _Share(turn, share)


def _moment(kind: Kind, whole: _Whole, share: float, *, writing: bool) -> float:
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


class _Bench:
    """Folders to try tasks in."""

    def __init__(self, work: Path) -> None:
        self._place, self._inputs, self._old = work / "place", work / "inputs", work / "old"
        self._temporary = work / "tmp"
        tidy(self._temporary)
        make_inputs(self._inputs)
        self._environment = {
            **os.environ,
            "TMPDIR": str(self._temporary),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def whole(self, task: Task) -> _Whole:
        """Run a task without an interruption, and keep its output as an old one.

        Raises:
            InputError: It does not run here.
        """
        for _ in range(2):  # the first finds nothing in the system's cache
            tidy(self._place)
            ended = run(self._command(task), self._place, self._environment)
            if ended.exit != 0:
                raise InputError(f"{task.name}: does not run here: {' '.join(ended.err)}")
        shutil.rmtree(self._old, ignore_errors=True)
        shutil.copytree(self._place, self._old)
        size = sum(file.stat().st_size for file in self._place.rglob("*") if file.is_file())
        return _Whole(ended.took_s, ended.wrote_from_s or 0.0, size)

    def trial(self, name: str, task: Task, kind: Kind, at: float, writing: bool) -> Trial:
        """Interrupt a task once, and start it again."""
        tidy(self._temporary)
        tidy(self._place)
        with self._disk(kind, at, task) as grow:
            if task.old:
                shutil.copytree(self._old, self._place, dirs_exist_ok=True)
            out = self._out
            before = digests(out) if task.old else {}
            command = self._command(task)
            ended = run(command, self._place, self._environment, kind, at, writing=writing)
            state, left = task.judge(out, before), self._left()
            then: Ended | None = None
            then_left = 0
            if left or state != "old":  # else the next start is an ordinary one
                grow()
                then = run(self._command(task, again=True), self._place, self._environment)
                then_left = self._left()
                then_state = task.judge(out, {})
        faults = faults_of(kind, ended, state, left, then, then_left, task.lines)
        if then is not None and then.exit == 0 and then_state != "new":
            faults.append(f"after the next start the output is {then_state}")
        return Trial(
            id=name,
            task=task.name,
            kind=kind,
            at=round(at, 3),
            writing=writing,
            exit=-1000 if ended.exit is None else ended.exit,
            lines=len(ended.err),
            said=ended.err[-1].replace(str(self._place.parent), "...") if ended.err else "",
            state=state,
            left=left,
            next_exit=None if then is None else then.exit,
            next_left=then_left,
            next_told=then is not None and _told(then),
            faults=faults,
        )

    @property
    def _out(self) -> Path:
        return self._place / "out"

    def _command(self, task: Task, *, again: bool = False) -> list[str]:
        if task.name == "health":  # its file comes beside the map
            self._out.mkdir(exist_ok=True)
        return task.command(self._out, self._inputs, again=again)

    def _left(self) -> int:
        """Hidden entries beside the output, and whatever is in the folder of temporary files."""
        hidden = sum(path.name.startswith(".") for path in self._place.rglob(".*"))
        return hidden + sum(1 for _ in self._temporary.iterdir())

    @contextmanager
    def _disk(self, kind: Kind, at: float, task: Task) -> Iterator[Callable[[], None]]:
        """A file system of so many bytes at the place; what is yielded makes it large."""
        if kind != "disk":
            yield lambda: None
            return
        taken = _on_disk(self._old) if task.old else 0
        size = int(at) + taken
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self._place))
        try:
            yield lambda: _mount("-o", f"remount,size={_LARGE_BYTES}", str(self._place))
        finally:
            subprocess.run(["umount", "-l", str(self._place)], check=False)


def _on_disk(folder: Path) -> int:
    """Bytes of a folder in whole pages."""
    page = 4096
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(-(-file.stat().st_size // page) * page for file in files) + page


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(
            f"a full disk is a small file system, and mount says: {done.stderr.strip()}; run it as "
            "root, or leave `kinds` disk out"
        )
