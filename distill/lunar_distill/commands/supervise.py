"""`lunar-distill supervise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from lunar_runtime.commands.options import verbose

from lunar_distill.commands.options import (
    DATA,
    EXISTING,
    TRAINING,
    learning_rate,
    run_folder,
    with_options,
)


@click.command()
@run_folder
@click.option("--student", "name", help="S0 to S4, or with another decoder: S2-256x4.  [S0]")
@click.option(
    "--init", type=EXISTING, help="Checkpoint to start from (any that lunar-export takes)."
)
@learning_rate(1e-3)
@click.option(
    "--decay",
    "decay_fraction",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Last part of the schedule, in which the rate falls to zero.",
)
@click.option(
    "--probe-weight",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="Of probes that tell sun and tilt, begun anew; 0 for short runs from --init.",
)
@click.option(
    "--keep-statistics",
    is_flag=True,
    help="Leave the batch norms' statistics as in --init; those of small batches are noisier.",
)
@click.option("--right-view", is_flag=True, help="Train the right view's head too.")
@click.option("--copy-left", is_flag=True, help="Start the right view's head from the left's.")
@with_options(DATA, TRAINING)
@verbose
def supervise(
    out: Path,
    name: str | None,
    init: Path | None,
    probe_weight: float,
    right_view: bool,
    copy_left: bool,
    **given: Any,
) -> None:
    """Train from ground truth; run again to resume.

    Writes RUN/state.pt (checkpoint), RUN/log.csv, and at the end of the schedule
    RUN/student.safetensors with the averaged weights; RUN/evaluation.csv with --held-out.
    """
    import torch
    from lunar_runtime.errors import UsageError
    from lunar_student import build_student, load_checkpoint

    from lunar_distill.commands.session import open_session, run_to_the_end
    from lunar_distill.objectives.from_truth import FromTruth, Supervision
    from lunar_distill.starts.named_students import named_config
    from lunar_distill.starts.untaught_start import begin_as_a_point, copy_left_to_right

    with open_session(given, encoder_rate=2.0) as session:
        if init is not None:
            student = load_checkpoint(init)
            if name is not None and student.config.id != name:
                raise UsageError(f"--init {init} is {student.config.id}, not --student {name}")
        elif session.options.keep_statistics:
            raise UsageError("--keep-statistics needs --init: there are none to keep")
        else:
            torch.manual_seed(session.options.seed)
            student = build_student(named_config(name or "S0"))
            begin_as_a_point(student)
        if copy_left:
            if init is None:
                raise UsageError("--copy-left needs --init: there is no trained left view to copy")
            copy_left_to_right(student)
        recipe = Supervision(probe_weight=probe_weight, right_view=right_view)
        objective = FromTruth(recipe, session.arithmetic)
        run_to_the_end(session, out, objective, {"student": student})
