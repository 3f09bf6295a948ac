"""A run: students that learn from the same batches, and the folder that they are kept in.

Resumable at any checkpoint, bit for bit, on any number of processes that divides the batches of a
step.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lunar_runtime.errors import CheckpointError, UsageError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_student import Student, save_checkpoint
from torch import Tensor

from lunar_distill.data.batch import Batch
from lunar_distill.loop.learner import Learner
from lunar_distill.loop.run_tables import EVALUATION_NAME, LOG_NAME, forget_rows_after
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.loop.workers import Workers
from lunar_distill.objectives.objective import Objective

STATE_NAME = "state.pt"
OPTIONS_NAME = "options.json"


class Run:
    """Students that learn from the same batches.

    Raises:
        UsageError: The batches of a step cannot be shared evenly among the processes.
    """

    def __init__(
        self,
        out: Path,
        options: TrainingOptions,
        objective: Objective,
        students: dict[str, Student],
        workers: Workers | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.workers = workers or Workers()
        if options.accumulate % self.workers.world:
            raise UsageError(
                f"accumulate {options.accumulate}: as many batches a step cannot be shared by "
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
                "same options to go on, or another folder"
            )
        for learner in self.learners:
            learner.load(learners[learner.name])
        if self.workers.is_first:
            for name in (LOG_NAME, EVALUATION_NAME):
                forget_rows_after(self.out / name, self.step)
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
