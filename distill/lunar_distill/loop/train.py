"""The loop: steps, checkpoints, one log, held-out pairs.

Resumable at any checkpoint, bit for bit, on any number of processes that divides the batches of a
step.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lunar_runtime.errors import CheckpointError, UsageError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_student import Student, save_checkpoint
from torch import Tensor

from lunar_distill.data.pairs import Batch, PairSource, batches
from lunar_distill.loop.learner import Learner
from lunar_distill.loop.options import RunOptions
from lunar_distill.loop.parallel import Workers
from lunar_distill.loop.progress import steps_bar
from lunar_distill.objectives.objective import Objective

STATE_NAME = "state.pt"
LOG_NAME = "log.csv"
EVALUATION_NAME = "evaluation.csv"
OPTIONS_NAME = "options.json"
LOG_EVERY = 50

Examine = Callable[[Student], dict[str, float]]


class Run:
    """Students that learn from the same batches.

    Raises:
        UsageError: The batches of a step cannot be shared evenly among the processes.
    """

    def __init__(
        self,
        out: Path,
        options: RunOptions,
        objective: Objective,
        students: dict[str, Student],
        workers: Workers | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.workers = workers or Workers()
        if options.accumulate % self.workers.world:
            raise UsageError(
                f"--accumulate {options.accumulate} batches a step cannot be shared by "
                f"{self.workers.world} processes; give a multiple of {self.workers.world}"
            )
        self.out, self.options, self.objective = out, options, objective
        self.device = torch.device(device)
        torch.manual_seed(options.seed)
        self.learners = [
            Learner(name, student, objective.companions(student), options, device)
            for name, student in students.items()
        ]
        self.step = 0

    @property
    def finished(self) -> bool:
        """Whether the schedule has run to its end."""
        return self.step >= self.options.total_steps

    def describe(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        students = {learner.name: learner.student.config.id for learner in self.learners}
        return {"students": students, **asdict(self.options), **self.objective.describe()}

    def resume(self) -> bool:
        """Go on from the last checkpoint, if there is one; otherwise make the run's folder.

        Raises:
            UsageError: The run was begun with other options.
            CheckpointError: Its checkpoint cannot be read.
        """
        path = self.out / STATE_NAME
        if not path.exists():
            if self.workers.is_first:
                make_folder(self.out)
                with atomic_path(self.out / OPTIONS_NAME) as file:
                    file.write_text(json.dumps(self.describe(), indent=2) + "\n")
            for learner in self.learners:
                self.workers.share(learner.tensors())
            return False
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            begun, self.step = json.loads(state["options"]), state["step"]
            learners = state["learners"]
        except Exception as error:  # zip, pickle and torch each have their own
            raise CheckpointError(
                f"{path}: cannot go on from it; remove it to start anew"
            ) from error
        now = json.loads(json.dumps(self.describe()))
        changed = [key for key in {**begun, **now} if begun.get(key) != now.get(key)]
        if changed:
            key = changed[0]
            raise UsageError(
                f"{self.out}: begun with {key} {begun.get(key)}, not {now.get(key)}; give the "
                "same options to go on, or another --out"
            )
        for learner in self.learners:
            learner.load(learners[learner.name])
        if self.workers.is_first:
            for name in (LOG_NAME, EVALUATION_NAME):
                _forget_after(self.out / name, self.step)
        return True

    def save(self) -> None:
        """Write the checkpoint, atomically."""
        if not self.workers.is_first:
            return
        state = {
            "options": json.dumps(self.describe()),
            "step": self.step,
            "learners": {learner.name: learner.state() for learner in self.learners},
        }
        with atomic_path(self.out / STATE_NAME) as path:
            torch.save(state, path)

    def update(self, parts: Iterable[Batch]) -> list[dict[str, float]]:
        """One step over this process's batches of it.

        Returns:
            For each student the terms of its loss: this process's share of their mean.
        """
        for learner in self.learners:
            learner.begin()
        sums: list[dict[str, Tensor]] = [{} for _ in self.learners]
        for part in parts:
            batch = part.to(self.device)
            prepared = self.objective.prepare(batch)
            for learner, terms in zip(self.learners, sums, strict=True):
                loss, found = self.objective.loss(
                    learner.student, learner.companions, batch, prepared
                )
                learner.collect(loss)
                for name, term in ({"loss": loss} | found).items():
                    share = term.detach() / self.options.accumulate
                    terms[name] = terms.get(name, share.new_zeros(())) + share
        rows = []
        rate = self.options.rate_at(self.step)
        for learner, terms in zip(self.learners, sums, strict=True):
            norm = learner.finish(rate, self.workers)
            learner.average(self.step)
            values = {name: float(term) for name, term in terms.items()}
            rows.append(values | {"grad_norm": norm / self.workers.world})
        self.step += 1
        return rows

    def write_students(self) -> list[Path]:
        """The averaged weights of every student, as `lunar-export` takes them."""
        paths = [self.out / f"{learner.name}.safetensors" for learner in self.learners]
        if self.workers.is_first:
            for learner, path in zip(self.learners, paths, strict=True):
                save_checkpoint(learner.averaged, path)
        return paths


def train(
    run: Run,
    data: PairSource,
    *,
    deadline: float = math.inf,
    save_every: int = 500,
    examine: Examine | None = None,
    examine_every: int = 500,
    loaders: int = 0,
) -> None:
    """Run to the end of the schedule or until `deadline` (seconds since the epoch).

    Args:
        run: What to train.
        data: The pairs.
        deadline: When to stop; the last step is saved.
        save_every: Steps between checkpoints.
        examine: Measures a student on held-out pairs, every `examine_every` steps and at the end.
        examine_every: Steps.
        loaders: Processes that prepare batches; see `batches`.
    """
    options, workers = run.options, run.workers
    if run.finished:
        return
    share = options.accumulate // workers.world
    source = batches(data, options, run.step, workers, loaders)
    window: list[list[dict[str, float]]] = []
    begin = time.monotonic()
    with steps_bar(run.step, options.total_steps, workers.is_first) as advance:
        while True:
            window.append(run.update(next(source) for _ in range(share)))
            advance(window[-1][0]["loss"])
            done = run.finished or workers.any(time.time() > deadline, run.device)
            if run.step % LOG_EVERY == 0 or done:
                rate = len(window) * options.pairs_per_step / (time.monotonic() - begin)
                _log(run, window, rate)
                window, begin = [], time.monotonic()
            if examine is not None and (run.step % examine_every == 0 or run.finished):
                _examine(run, examine)
                begin = time.monotonic()
            if run.step % save_every == 0 or done:
                run.save()
            if done:
                workers.wait()
                return


def _log(run: Run, window: Sequence[Sequence[dict[str, float]]], rate: float) -> None:
    for number, learner in enumerate(run.learners):
        rows = [step[number] for step in window]
        means = torch.tensor(
            [sum(row[name] for row in rows) / len(rows) for name in rows[0]], device=run.device
        )
        run.workers.sum_([means])
        row: dict[str, Any] = {
            "step": run.step,
            "pairs": run.step * run.options.pairs_per_step,
            "student": learner.name,
            "learning_rate": f"{run.options.rate_at(run.step - 1):.4g}",
            "pairs_per_s": round(rate, 2),
            "skipped": learner.skipped,
        }
        row |= {name: round(float(mean), 5) for name, mean in zip(rows[0], means, strict=True)}
        _append(run, LOG_NAME, row)


def _examine(run: Run, examine: Examine) -> None:
    if run.workers.is_first:
        for learner in run.learners:
            found = {name: round(value, 6) for name, value in examine(learner.averaged).items()}
            _append(run, EVALUATION_NAME, {"step": run.step, "student": learner.name, **found})
    run.workers.wait()


def _append(run: Run, name: str, row: dict[str, Any]) -> None:
    if not run.workers.is_first:
        return
    path = run.out / name
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _forget_after(path: Path, step: int) -> None:
    """Drop the rows of steps that a checkpoint does not have: they will be written again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if int(row[0]) <= step)])
