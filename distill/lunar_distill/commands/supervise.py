"""`lunar-distill supervise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lunar_distill.commands.options import DATA, EXISTING, TRAINING, with_options


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--student", "name", help="S0 to S4, or with another decoder: S2-256x4.  [S0]")
@click.option(
    "--init", type=EXISTING, help="Checkpoint to start from (any that lunar-export takes)."
)
@click.option("--lr", "learning_rate", type=float, default=1e-3, show_default=True)
@click.option(
    "--decay", "decay_fraction", type=click.FloatRange(0, 1), default=0.3, show_default=True
)
@click.option("--right-view", is_flag=True, help="Train the right view's head too.")
@click.option("--copy-left", is_flag=True, help="Start the right view's head from the left's.")
@with_options(DATA, TRAINING)
def supervise(
    out: Path, name: str | None, init: Path | None, right_view: bool, copy_left: bool, **given: Any
) -> None:
    """Train from ground truth; run again to resume.

    Writes RUN/state.pt (checkpoint), RUN/log.csv, and at the end of the schedule
    RUN/student.safetensors with the averaged weights.
    """
    import torch
    from lunar_runtime.errors import UsageError
    from lunar_student import build_student, load_checkpoint

    from lunar_distill.commands.training import Session, run_to_the_end
    from lunar_distill.objectives.supervised import (
        FromTruth,
        Supervision,
        begin_as_a_point,
        copy_left_to_right,
    )
    from lunar_distill.starts.students import named_config

    with Session(given, encoder_rate=2.0) as session:
        if init is not None:
            student = load_checkpoint(init)
            if name is not None and student.config.id != name:
                raise UsageError(f"--init {init} is {student.config.id}, not --student {name}")
        else:
            torch.manual_seed(session.options.seed)
            student = build_student(named_config(name or "S0"))
            begin_as_a_point(student)
        if copy_left:
            if init is None:
                raise UsageError("--copy-left needs --init: there is no trained left view to copy")
            copy_left_to_right(student)
        objective = FromTruth(Supervision(right_view=right_view), session.arithmetic)
        run_to_the_end(session, out, objective, {"student": student})
