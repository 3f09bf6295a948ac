"""From parsed options to a run, and to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import torch
from lunar_runtime.errors import UsageError
from lunar_student import Student

from lunar_distill.commands.options import native_bf16, open_source, report_skipped
from lunar_distill.data.data import open_data
from lunar_distill.loop.evaluate import measure, rendered_pairs, summarise
from lunar_distill.loop.options import RunOptions
from lunar_distill.loop.parallel import join
from lunar_distill.loop.train import Examine, Run, train
from lunar_distill.objectives.objective import Arithmetic, Objective


class Session:
    """What a training command needs beside its objective: workers, device, pairs, options.

    Args:
        given: The values of `DATA` and `TRAINING`, and those of `RunOptions` the command adds.
        encoder_rate: See `RunOptions`, unless given.
    """

    def __init__(self, given: dict[str, Any], **more: Any) -> None:
        self.given = given | more
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        given = dict(self.given)
        if given["threads"]:
            torch.set_num_threads(given["threads"])
        self.workers, self.device = self._stack.enter_context(join(given["device"]))
        if given["bf16"] is None:
            given["bf16"] = native_bf16(given["device"])
        fields = RunOptions.__dataclass_fields__
        self.options = RunOptions(**{name: given[name] for name in fields if name in given})
        self.arithmetic = Arithmetic(self.device, self.options.size_px, self.options.bf16)
        self.pairs = open_source(
            given["data"], given["render_seed"], given["size_px"], given["skip_bad"]
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def examiner(self) -> Examine | None:
        """Measures a student on the held-out pairs, if there are some."""
        folder = self.given["held_out"]
        if folder is None:
            return None
        checked = open_data([folder], self.options.size_px, skip_bad=self.given["skip_bad"])
        pairs = list(rendered_pairs(report_skipped(checked).pairs, self.given["held_out_pairs"]))

        def examine(student: Student) -> dict[str, float]:
            found = summarise([measure(student, pair) for pair in pairs])
            return {name: getattr(found, name) for name in found.__dataclass_fields__}

        return examine


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
    resumes = (out / "state.pt").exists()
    if start is not None and not resumes:
        start()
    run = Run(out, session.options, objective, students, session.workers, session.device)
    first = run.workers.is_first
    if run.resume() and first:
        click.echo(f"resumed at step {run.step}", err=True)
    minutes = session.given["minutes"]
    deadline = math.inf if minutes is None else time.time() + 60 * minutes
    train(
        run,
        session.pairs,
        deadline=deadline,
        save_every=session.given["save_every"],
        examine=examine,
        examine_every=session.given["examine_every"],
        loaders=session.given["loaders"],
    )
    if run.finished:
        for path in run.write_students():
            if first:
                click.echo(str(path))
    elif first:
        click.echo(f"stopped at step {run.step}; run the same command to go on", err=True)
