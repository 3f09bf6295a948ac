"""`lunar-distill distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from lunar_runtime.commands.options import verbose

from lunar_distill.commands.options import (
    DATA,
    EXISTING,
    TEACHING,
    TRAINING,
    run_folder,
    teacher,
    with_options,
)
from lunar_distill.starts.start_choice import Start


@click.command()
@teacher
@click.option(
    "--student",
    "names",
    multiple=True,
    required=True,
    help="S0 to S4, or with another decoder: S2-256x4. Repeat to train several at once.",
)
@run_folder
@click.option(
    "--start",
    "--decoder-start",
    "start",
    type=click.Choice([each.value for each in Start]),
    default=Start.STREAM.value,
    show_default=True,
    help="Of decoder and heads: the teacher's in the basis of its residual stream, its truncated "
    "SVD as published, or random. torchrun takes --start for its own; use --decoder-start there.",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="STUDENT=FILE",
    help="Pretrained encoder weights with timm's names.",
)
@click.option("--init", type=EXISTING, help="Checkpoint of the one student to start from.")
@click.option("--freeze-encoder", is_flag=True, help="Train adapter, decoder and heads only.")
@with_options(TEACHING, DATA, TRAINING)
@verbose
def distill(
    teacher: str,
    names: tuple[str, ...],
    out: Path,
    start: str,
    calibration_pairs: int,
    encoders: tuple[str, ...],
    init: Path | None,
    **given: Any,
) -> None:
    """Train students from a frozen teacher; run again to resume.

    Writes RUN/state.pt (checkpoint), RUN/log.csv, RUN/evaluation.csv with --held-out, and at the
    end of the schedule RUN/<student>.safetensors with the averaged weights.
    """
    import torch
    from lunar_runtime.errors import UsageError
    from lunar_student import build_student, load_checkpoint

    from lunar_distill.commands.session import filled, open_session, run_to_the_end
    from lunar_distill.objectives.from_teacher import FromTeacher
    from lunar_distill.objectives.recipe import Recipe
    from lunar_distill.starts.decoder_start import start_student
    from lunar_distill.starts.encoder_weights import load_encoder
    from lunar_distill.starts.named_students import load_teacher, named_config

    if len(set(names)) < len(names):
        raise UsageError("--student: each one once")
    if init is not None and (len(names) > 1 or encoders):
        raise UsageError("--init goes with one --student and without --encoder")
    with open_session(given) as session:
        network = load_teacher(teacher)
        torch.manual_seed(session.options.seed)
        students = {name: build_student(named_config(name)) for name in names}
        if init is not None:
            students = {names[0]: load_checkpoint(init)}
            if students[names[0]].config.id != names[0]:
                raise UsageError(f"--init {init} is {students[names[0]].config.id}, not {names[0]}")
        for pair in encoders:
            name, _, file = pair.partition("=")
            if name not in students or not file:
                raise UsageError(f"--encoder {pair}: must be STUDENT=FILE with one of the students")
            load_encoder(students[name], file)

        objective = FromTeacher(filled(Recipe, given), session.arithmetic, network)

        def begin() -> None:
            for student in students.values() if init is None else ():
                begun = start_student(
                    student, network, Start(start), session.pairs, calibration_pairs
                )
                if begun.tokens is not None:
                    objective.tokens[student.config.id] = begun.tokens
                if session.workers.is_first:
                    click.echo(f"{student.config.id} starts with {begun.said}", err=True)

        run_to_the_end(session, out, objective, students, begin)
