"""Folders to try tasks in, and what is wrong with a trial."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError, OutputError, UsageError

from lunar_bench.interruptions.interrupt import Ended, run
from lunar_bench.interruptions.record import Kind, Trial
from lunar_bench.interruptions.states import digests
from lunar_bench.interruptions.tasks import Task, make_inputs, tidy

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


class Whole(NamedTuple):
    """A task that nobody interrupts."""

    took_s: float
    wrote_from_s: float
    bytes: int


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


class Bench:
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

    def whole(self, task: Task) -> Whole:
        """Run a task without an interruption, and keep its output as an old one.

        Raises:
            InputError: It does not run here.
        """
        tidy(self._place)
        ended = run(self._command(task, task.first), self._place, self._environment)
        if ended.exit != 0:
            raise InputError(f"{task.name}: does not run here: {' '.join(ended.err)}")
        shutil.copytree(self._place, self._old / task.name, dirs_exist_ok=True)
        size = sum(file.stat().st_size for file in self._place.rglob("*") if file.is_file())
        return Whole(ended.took_s, ended.wrote_from_s or 0.0, size)

    def trial(self, name: str, task: Task, kind: Kind, at: float, writing: bool) -> Trial:
        """Interrupt a task once, and start it again."""
        tidy(self._temporary)
        tidy(self._place)
        with self._disk(kind, at, task) as grow:
            if task.old:
                shutil.copytree(self._old / task.name, self._place, dirs_exist_ok=True)
            out = self._out
            before = digests(out) if task.old else {}
            command = self._command(task)
            ended = run(command, self._place, self._environment, kind, at, writing=writing)
            state, left = task.judge(out, before), self._left()
            then: Ended | None = None
            then_left = 0
            if left or state != "old":  # else the next start is an ordinary one
                grow()
                then = run(self._command(task, task.again), self._place, self._environment)
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

    def _command(self, task: Task, more: tuple[str, ...] = ()) -> list[str]:
        if task.inside:
            self._out.mkdir(exist_ok=True)
        return task.command(self._out, self._inputs, more)

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
        taken = _on_disk(self._old / task.name) if task.old else 0
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


def _told(then: Ended) -> bool:
    return any(word in line for line in then.err for word in _FOUND)
