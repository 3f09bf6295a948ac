"""`lunar-distill distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lunar_distill.commands.options import DATA, EXISTING, TRAINING, with_options


@click.command()
@click.option(
    "--teacher", required=True, help="Its checkpoint, or S0 for the one in the source tree."
)
@click.option(
    "--student",
    "names",
    multiple=True,
    required=True,
    help="S0 to S4, or with another decoder: S2-256x4. Repeat to train several at once.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--start",
    type=click.Choice(["stream", "svd", "random"]),
    default="stream",
    show_default=True,
    help="Of decoder and heads: the teacher's in the basis of its residual stream, its truncated "
    "SVD as published, or random.",
)
@click.option(
    "--calibration-pairs",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Pairs that show --start stream the teacher's stream.",
)
@click.option(
    "--encoder",
    "encoders",
    multiple=True,
    metavar="STUDENT=FILE",
    help="Pretrained encoder weights with timm's names.",
)
@click.option("--init", type=EXISTING, help="Checkpoint of the one student to start from.")
@click.option("--lr", "learning_rate", type=float, default=1e-4, show_default=True)
@click.option(
    "--encoder-rate",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Factor on --lr for the encoder.",
)
@click.option("--freeze-encoder", is_flag=True, help="Train adapter, decoder and heads only.")
@click.option("--feature-weight", type=click.FloatRange(0), default=0.1, show_default=True)
@click.option("--descriptor-weight", type=click.FloatRange(0), default=0.075, show_default=True)
@click.option(
    "--relief-weight",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Of relief and slopes beside the points; 0.5 helps small students.",
)
@click.option(
    "--min-confidence",
    type=float,
    default=1.2,
    show_default=True,
    help="The teacher's points below it are not taught.",
)
@with_options(DATA, TRAINING)
def distill(
    teacher: str,
    names: tuple[str, ...],
    out: Path,
    start: str,
    calibration_pairs: int,
    encoders: tuple[str, ...],
    init: Path | None,
    feature_weight: float,
    descriptor_weight: float,
    relief_weight: float,
    min_confidence: float,
    **given: Any,
) -> None:
    """Train students from a frozen teacher; run again to resume.

    Writes RUN/state.pt (checkpoint), RUN/log.csv, RUN/evaluation.csv with --held-out, and at the
    end of the schedule RUN/<student>.safetensors with the averaged weights.
    """
    import torch
    from lunar_runtime.errors import UsageError
    from lunar_student import build_student, load_checkpoint

    from lunar_distill.commands.training import Session, run_to_the_end
    from lunar_distill.objectives.distilled import FromTeacher, Recipe
    from lunar_distill.starts.encoder_weights import load_encoder
    from lunar_distill.starts.start import Start, start_student
    from lunar_distill.starts.students import load_teacher, named_config

    if len(set(names)) < len(names):
        raise UsageError("--student: each one once")
    if init is not None and (len(names) > 1 or encoders):
        raise UsageError("--init goes with one --student and without --encoder")
    with Session(given) as session:
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

        recipe = Recipe(feature_weight, descriptor_weight, relief_weight, min_confidence)
        objective = FromTeacher(recipe, session.arithmetic, network)

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
