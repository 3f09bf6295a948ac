"""The arms of an ablation, trained and measured.

Every arm sees the same pairs in the same order for a seed, and is resumable by itself:
RUN/<arm>/seed<k> is a training run, and its `result.json` says that it is done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lunar_runtime.files.atomic import atomic_path
from lunar_student import Student, build_student

from lunar_distill.ablation.arms import Arm
from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.loop.evaluation import first_pairs, measure_student, summarise
from lunar_distill.loop.run import STATE_NAME, Run
from lunar_distill.loop.train import train
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.from_teacher import FromTeacher
from lunar_distill.objectives.pair_points import both_views, pair_error
from lunar_distill.objectives.recipe import Recipe
from lunar_distill.starts.decoder_start import start_student
from lunar_distill.starts.encoder_weights import load_encoder

RESULT_NAME = "result.json"
MEASURED_AT_ONCE = 8
HELD_OUT_TERMS = ("points", "relief", "gradient")


@dataclass(frozen=True)
class AblationSetup:
    """What all arms share.

    Attributes:
        teacher: In evaluation mode, on the CPU.
        pairs: To train on.
        held_out: To measure on.
        held_out_pairs: How many.
        options: Of every arm but for seed and frozen encoder.
        encoder_weights: Pretrained weights by encoder kind, where there are some.
        device: Where the arms train.
        calibration_pairs: For `Start.STREAM`.
        loaders: Processes that prepare batches, as in `batches`.
    """

    teacher: Student
    pairs: TrainingPairs
    held_out: TrainingPairs
    held_out_pairs: int
    options: TrainingOptions
    encoder_weights: dict[str, Path]
    device: torch.device
    calibration_pairs: int = 32
    loaders: int = 0


def run_arms(
    setup: AblationSetup,
    every: Sequence[Arm],
    seeds: Sequence[int],
    out: Path,
    *,
    deadline: float = math.inf,
    say: Callable[[str], None] = lambda _: None,
) -> bool:
    """Train and measure every arm of every seed that is not done; True if all are.

    Args:
        setup: What they share.
        every: The arms.
        seeds: All arms of the first one come first, so that a stopped ablation is a whole one.
        out: Folder.
        deadline: Seconds since the epoch at which to stop, keeping what there is.
        say: Told about each arm as it is done.
    """
    for seed in seeds:
        for arm in every:
            folder = out / arm.folder / f"seed{seed}"
            if (folder / RESULT_NAME).exists():
                continue
            result = _run_arm(setup, arm, seed, folder, deadline)
            if result is None:
                return False
            say(f"seed {seed}, {arm.name}: teacher error {100 * result['teacher_error']:.3f} %")
    return True


def _run_arm(
    setup: AblationSetup, arm: Arm, seed: int, folder: Path, deadline: float
) -> dict[str, float] | None:
    options = replace(setup.options, seed=seed, freeze_encoder=arm.freeze_encoder)
    torch.manual_seed(seed)
    student = build_student(arm.config)
    weights = setup.encoder_weights.get(arm.config.encoder.value)
    if weights is not None:
        load_encoder(student, weights)
    arithmetic = Arithmetic(setup.device, options.size_px, options.bf16)
    objective = FromTeacher(arm.recipe, arithmetic, setup.teacher)
    if not (folder / STATE_NAME).exists():
        setup.teacher.cpu()
        begun = start_student(
            student, setup.teacher, arm.start, setup.pairs, setup.calibration_pairs
        )
        if begun.tokens is not None:
            objective.tokens[arm.config.id] = begun.tokens
    run = Run(folder, options, objective, {"student": student}, device=setup.device)
    run.resume()
    train(run, setup.pairs, deadline=deadline, save_every=50, loaders=setup.loaders)
    if not run.finished:
        return None
    run.write_students()
    result = {
        **_measure_against_teacher(setup, run.learners[0].averaged, arm.recipe.min_confidence),
        **measure_against_truth(setup, run.learners[0].averaged),
        "parameters": float(sum(p.numel() for p in student.parameters())),
    }
    with atomic_path(folder / RESULT_NAME) as path:
        path.write_text(json.dumps({"arm": arm.name, "seed": seed, **result}, indent=1) + "\n")
    (folder / STATE_NAME).unlink()  # several times the student's size
    return result


@torch.no_grad()
def _measure_against_teacher(
    setup: AblationSetup, student: Student, min_confidence: float
) -> dict[str, float]:
    """Held-out distance from what the teacher says where it is confident."""
    plain = Recipe(0.0, 0.0, relief_weight=1.0, min_confidence=min_confidence)
    arithmetic = Arithmetic(setup.device, setup.options.size_px, False)
    objective = FromTeacher(plain, arithmetic, setup.teacher)
    student.eval()
    errors, rows = [], []
    count = min(setup.held_out_pairs, len(setup.held_out))
    for i in range(0, count, MEASURED_AT_ONCE):
        numbers = np.arange(i, min(i + MEASURED_AT_ONCE, count))
        batch = setup.held_out.batch(numbers).to(setup.device)
        targets = objective.prepare(batch)
        terms = objective.loss(student, torch.nn.ModuleList(), batch, targets)[1]
        rows.append(torch.stack([terms[name] for name in HELD_OUT_TERMS]) * len(numbers))
        said = both_views(student(*batch.views(), "both"))
        errors.append(pair_error(said, targets.points, targets.valid))
    means = torch.stack(rows).sum(0) / count
    return {"teacher_error": float(torch.cat(errors).mean())} | {
        f"teacher_{name}": float(mean) for name, mean in zip(HELD_OUT_TERMS, means, strict=True)
    }


def measure_against_truth(setup: AblationSetup, student: Student) -> dict[str, float]:
    """Accuracy on the held-out pairs, as shares of what the plane null scores."""
    pairs = first_pairs(setup.held_out, setup.held_out_pairs)
    found = asdict(summarise([measure_student(student, pair) for pair in pairs]))
    return {
        "absrel_of_null": found["absrel"] / found["absrel_null"],
        "slope_mae_of_null": found["slope_mae_deg"] / found["slope_mae_null_deg"],
        "relief_correlation": found["relief_correlation"],
    }
