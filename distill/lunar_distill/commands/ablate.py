"""`lunar-distill ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lunar_distill.commands.options import DATA, TRAINING, with_options


@click.command()
@click.option("--teacher", required=True, help="Checkpoint, or S0 for the one in the source tree.")
@click.option("--student", "name", default="S2", show_default=True, help="As in distill.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of all arms.")
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
@click.option("--calibration-pairs", type=click.IntRange(1), default=32, show_default=True)
@click.option("--lr", "learning_rate", type=float, default=1e-4, show_default=True)
@click.option("--encoder-rate", type=click.FloatRange(0), default=1.0, show_default=True)
@click.option("--feature-weight", type=click.FloatRange(0), default=0.1, show_default=True)
@click.option("--descriptor-weight", type=click.FloatRange(0), default=0.075, show_default=True)
@click.option("--relief-weight", type=click.FloatRange(0), default=0.0, show_default=True)
@click.option("--min-confidence", type=float, default=1.2, show_default=True)
@with_options(DATA, TRAINING)
def ablate(
    teacher: str,
    name: str,
    out: Path,
    seeds: int,
    decoders: tuple[str, ...],
    encoders: tuple[str, ...],
    weights: tuple[str, ...],
    calibration_pairs: int,
    feature_weight: float,
    descriptor_weight: float,
    relief_weight: float,
    min_confidence: float,
    **given: Any,
) -> None:
    """Train a student with and without each part of the recipe; run again to resume.

    Writes RUN/ablation.md, .csv, .json and .png: mean and spread over seeds of what the held-out
    pairs say. Stopped early (--minutes), they hold the arms that are done.
    """
    import math
    import re
    import time
    from dataclasses import asdict

    from lunar_runtime.errors import UsageError
    from lunar_runtime.files.atomic import make_folder
    from lunar_student.config import EncoderKind

    from lunar_distill.ablation.ablate import Bench, arms, measure_against_truth, run_arms
    from lunar_distill.ablation.ablation_report import machine, require_plots, write_report
    from lunar_distill.commands.training import Session
    from lunar_distill.data.data import open_data
    from lunar_distill.objectives.distilled import Recipe
    from lunar_distill.starts.reconstruct import measure_starts
    from lunar_distill.starts.students import load_teacher, named_config, with_decoder, with_encoder

    if given["held_out"] is None:
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
    with Session(given) as session:
        if session.workers.world > 1:
            raise UsageError("ablate runs one process; start several with different --out")
        base = named_config(name)
        recipe = Recipe(feature_weight, descriptor_weight, relief_weight, min_confidence)
        every = arms(
            base,
            recipe,
            [with_decoder(base, int(m[1]), int(m[2])) for m in sizes if m],
            [with_encoder(base, EncoderKind(kind)) for kind in encoders],
        )
        held_out = open_data([given["held_out"]], given["size_px"], skip_bad=given["skip_bad"])
        bench = Bench(
            load_teacher(teacher),
            session.pairs,
            held_out.pairs,
            given["held_out_pairs"],
            session.options,
            files,
            session.device,
            calibration_pairs,
            loaders=given["loaders"],
        )
        make_folder(out)
        starts = measure_starts(base, bench.teacher, held_out.pairs, given["held_out_pairs"] // 2)
        minutes = given["minutes"]
        deadline = math.inf if minutes is None else time.time() + 60 * minutes
        done = run_arms(
            bench,
            every,
            range(given["seed"], given["seed"] + seeds),
            out,
            deadline=deadline,
            say=lambda line: click.echo(line, err=True),
        )
        options = session.options
        alone = measure_against_truth(bench, bench.teacher)
        settings = {
            "teacher": f"{bench.teacher.config.id}; AbsRel {alone['absrel_of_null']:.3f} and slope "
            f"MAE {alone['slope_mae_of_null']:.3f} of the plane's, relief correlation "
            f"{alone['relief_correlation']:.3f}",
            "student": base.id,
            "encoders": ", ".join(f"{kind} from {file.name}" for kind, file in files.items())
            + ("; all others random" if files else "random"),
            "images": f"{options.size_px} px, {len(session.pairs)} pairs to train on, "
            f"{min(given['held_out_pairs'], len(held_out.pairs))} held out",
            "schedule": f"{options.total_pairs} pairs an arm, {options.pairs_per_step} a step, "
            f"learning rate {options.learning_rate:g}",
            "recipe": ", ".join(f"{k} {v}" for k, v in asdict(recipe).items()),
            "starts": {start.value: asdict(error) for start, error in starts.items()},
        }
        for path in write_report(out, every, settings, where):
            click.echo(str(path))
        if not done:
            click.echo("stopped early; run the same command to go on", err=True)
