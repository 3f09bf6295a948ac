"""`lunar-distill ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import verbose

from lunar_distill.commands.options import (
    DATA,
    TEACHING,
    TRAINING,
    run_folder,
    teacher,
    with_options,
)


@click.command()
@teacher
@click.option("--student", "name", default="S2", show_default=True, help="As in distill.")
@run_folder
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many, from --seed on.",
)
@click.option(
    "--decoder",
    "decoders",
    multiple=True,
    metavar="WIDTHxDEPTH",
    help="An arm with another decoder; may be repeated.",
)
@click.option(
    "--with-encoder",
    "encoders",
    multiple=True,
    type=click.Choice(["conv", "mobilenetv3_large", "vit_tiny_patch16", "dinov2_vits14"]),
    help="An arm with another encoder; may be repeated.",
)
@click.option(
    "--encoder",
    "weights",
    multiple=True,
    metavar="KIND=FILE",
    help="Pretrained weights of an encoder kind, with timm's names.",
)
@with_options(TEACHING, DATA, TRAINING)
@verbose
def ablate(
    teacher: str,
    name: str,
    out: Path,
    seeds: int,
    decoders: tuple[str, ...],
    encoders: tuple[str, ...],
    weights: tuple[str, ...],
    calibration_pairs: int,
    **given: Any,
) -> None:
    """Train a student with and without each part of the recipe; run again to resume.

    Writes RUN/ablation.md, .csv, .json and .png: mean and spread over seeds of what the held-out
    pairs say. Stopped early (--minutes), they hold the arms that are done.
    """
    import re
    from dataclasses import asdict

    from lunar_runtime.errors import UsageError
    from lunar_runtime.files.atomic import make_folder
    from lunar_student.config import EncoderKind

    from lunar_distill.ablation.arm_runs import (
        AblationSetup,
        measure_against_truth,
        run_arms,
    )
    from lunar_distill.ablation.arms import arms
    from lunar_distill.ablation.machine import machine
    from lunar_distill.ablation.report import require_plots, write_report
    from lunar_distill.ablation.start_comparison import measure_starts
    from lunar_distill.commands.session import filled, open_folders, open_session
    from lunar_distill.objectives.recipe import Recipe
    from lunar_distill.starts.named_students import (
        load_teacher,
        named_config,
        with_decoder,
        with_encoder,
    )

    if not given["held_out"]:
        raise UsageError("--held-out: give pairs that no arm trains on")
    sizes = [re.fullmatch(r"(\d+)x(\d+)", text) for text in decoders]
    if not all(sizes):
        raise UsageError(f"--decoder {decoders[sizes.index(None)]}: must be as in 256x4")
    files = {}
    for pair in weights:
        kind, _, file = pair.partition("=")
        if kind not in {member.value for member in EncoderKind} or not file:
            raise UsageError(f"--encoder {pair}: must be KIND=FILE with the kind of an encoder")
        files[kind] = Path(file)
    require_plots()
    where = machine()
    with open_session(given) as session:
        if session.workers.world > 1:
            raise UsageError("ablate runs one process; start several with different --out")
        base = named_config(name)
        recipe = filled(Recipe, given)
        every = arms(
            base,
            recipe,
            [with_decoder(base, int(m[1]), int(m[2])) for m in sizes if m],
            [with_encoder(base, EncoderKind(kind)) for kind in encoders],
        )
        held_out = open_folders(given["held_out"], given["size_px"], given["skip_bad"])
        setup = AblationSetup(
            load_teacher(teacher),
            session.pairs,
            held_out,
            given["held_out_pairs"],
            session.options,
            files,
            session.device,
            calibration_pairs,
            loaders=given["loaders"],
        )
        make_folder(out)
        starts = measure_starts(base, setup.teacher, held_out, given["held_out_pairs"] // 2)
        done = run_arms(
            setup,
            every,
            range(given["seed"], given["seed"] + seeds),
            out,
            deadline=session.deadline,
            say=lambda line: click.echo(line, err=True),
        )
        options = session.options
        alone = measure_against_truth(setup, setup.teacher)
        settings = {
            "teacher": f"{setup.teacher.config.id}; AbsRel {alone['absrel_of_null']:.3f} and slope "
            f"MAE {alone['slope_mae_of_null']:.3f} of the plane's, relief correlation "
            f"{alone['relief_correlation']:.3f}",
            "student": base.id,
            "encoders": ", ".join(f"{kind} from {file.name}" for kind, file in files.items())
            + ("; all others random" if files else "random"),
            "images": f"{options.size_px} px, {len(session.pairs)} pairs to train on, "
            f"{min(given['held_out_pairs'], len(held_out))} held out",
            "schedule": f"{options.total_pairs} pairs an arm, {options.pairs_per_step} a step, "
            f"learning rate {options.learning_rate:g}",
            "recipe": ", ".join(f"{k} {v}" for k, v in asdict(recipe).items()),
            "starts": {start.value: asdict(error) for start, error in starts.items()},
        }
        for path in write_report(out, every, settings, where):
            echo(str(path))
        if not done:
            click.echo("stopped early; run the same command to go on", err=True)
