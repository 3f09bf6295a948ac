"""What the training commands share: from parsed options to a run, and to its end."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import click
import torch
from lunar_runtime.commands.command_line import echo
from lunar_runtime.errors import UsageError
from lunar_student import Student

from lunar_distill.data.checked_pairs import open_data
from lunar_distill.data.fresh_pairs import FreshPairs
from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.loop.evaluation import first_pairs, measure_student, summarise
from lunar_distill.loop.run import STATE_NAME, Run
from lunar_distill.loop.train import Examine, train
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.loop.workers import Workers, join
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.objective import Objective

T = TypeVar("T")


@dataclass(frozen=True)
class Session:
    """What a training command needs beside its objective.

    Attributes:
        given: The values of `DATA` and `TRAINING`, and whatever else the command was given.
        workers: This process among those of the run.
        device: Where it computes.
        options: Of the run.
        arithmetic: Of the networks.
        pairs: To train on.
    """

    given: dict[str, Any]
    workers: Workers
    device: torch.device
    options: TrainingOptions
    arithmetic: Arithmetic
    pairs: TrainingPairs

    @property
    def deadline(self) -> float:
        """When to stop, seconds since the epoch; `--minutes` from now."""
        minutes = self.given["minutes"]
        return math.inf if minutes is None else time.time() + 60 * float(minutes)

    def examiner(self) -> Examine | None:
        """Measures a student on each folder of held-out pairs, if there are some."""
        folders: tuple[Path, ...] = self.given["held_out"]
        if not folders:
            return None
        held_out = {}
        for folder in folders:
            checked = open_folders([folder], self.options.size_px, self.given["skip_bad"])
            held_out[str(folder)] = list(first_pairs(checked, self.given["held_out_pairs"]))

        def examine(student: Student) -> dict[str, dict[str, float]]:
            return {
                folder: asdict(summarise([measure_student(student, pair) for pair in pairs]))
                for folder, pairs in held_out.items()
            }

        return examine


@contextmanager
def open_session(given: dict[str, Any], **more: Any) -> Iterator[Session]:
    """Join the other processes, open the pairs.

    Args:
        given: The values of `DATA` and `TRAINING`, and those of `TrainingOptions` that the command
            adds.
        more: The same, where the command has no option.

    Raises:
        UsageError: The options contradict one another.
        BackendError: There is no such device.
        InputError: The pairs cannot be used.
    """
    given = given | more
    if given["threads"]:
        torch.set_num_threads(given["threads"])
    if given["bf16"] is None:
        given["bf16"] = native_bf16(given["device"])
    with join(given["device"]) as (workers, device):
        options = filled(TrainingOptions, given)
        arithmetic = Arithmetic(device, options.size_px, options.bf16)
        pairs = open_source(
            given["data"], given["render_seed"], given["size_px"], given["skip_bad"]
        )
        yield Session(given, workers, device, options, arithmetic, pairs)


def filled(kind: type[T], given: dict[str, Any]) -> T:
    """A dataclass from those of the command line's values that it has fields for."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in given.items() if name in names})


def run_to_the_end(
    session: Session,
    out: Path,
    objective: Objective,
    students: dict[str, Student],
    start: Callable[[], None] | None = None,
) -> None:
    """Train, resuming what is in `out`; write the students when the schedule has ended.

    Args:
        session: See there.
        out: The run's folder.
        objective: What the students learn.
        students: By the name of their files.
        start: Fills the students' weights, unless the run is resumed.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; give a folder")
    examine = session.examiner()
    resumes = (out / STATE_NAME).exists()
    if start is not None and not resumes:
        start()
    run = Run(out, session.options, objective, students, session.workers, session.device)
    first = run.workers.is_first
    if run.resume() and first:
        click.echo(f"resumed at step {run.step}", err=True)
    train(
        run,
        session.pairs,
        deadline=session.deadline,
        save_every=session.given["save_every"],
        examine=examine,
        examine_every=session.given["examine_every"],
        loaders=session.given["loaders"],
    )
    if run.finished:
        for path in run.write_students():
            if first:
                echo(str(path))
    elif first:
        click.echo(f"stopped at step {run.step}; run the same command to go on", err=True)


def open_source(
    data: tuple[Path, ...], render_seed: int | None, size_px: int, skip_bad: bool
) -> TrainingPairs:
    """The training pairs that the command line names.

    Raises:
        UsageError: None or both kinds of source; a size that the networks cannot take.
    """
    if size_px % 32 or size_px < 32:
        raise UsageError(f"--size {size_px}: must be a multiple of 32")
    if bool(data) == (render_seed is not None):
        raise UsageError("give one of --data DIR and --render SEED")
    if render_seed is not None:
        return FreshPairs(render_seed, size_px)
    return open_folders(data, size_px, skip_bad)


def open_folders(folders: Sequence[Path], size_px: int, skip_bad: bool) -> TrainingPairs:
    """Every usable pair of some folders.

    Says what `skip_bad` left out; of several processes, the first one does.

    Raises:
        InputError: See `open_data`.
    """
    checked = open_data(folders, size_px, skip_bad=skip_bad)
    if checked.offenders and os.environ.get("RANK", "0") == "0":
        for offender in checked.offenders:
            echo(f"skipped {offender}", err=True)
        click.echo(f"{len(checked.offenders)} skipped, {len(checked.pairs)} left", err=True)
    return checked.pairs


def native_bf16(device: str) -> bool:
    """Whether bfloat16 is multiplied in hardware; where it is not, it is several times slower."""
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported())
