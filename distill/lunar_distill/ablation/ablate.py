"""The paper's ablations: one student, and what it loses with each part of the recipe taken away.

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
from lunar_student import Student, StudentConfig, build_student

from lunar_distill.data.pairs import PairSource
from lunar_distill.loop.evaluate import measure, rendered_pairs, summarise
from lunar_distill.loop.options import RunOptions
from lunar_distill.loop.train import STATE_NAME, Run, train
from lunar_distill.objectives.distilled import FromTeacher, Recipe, as_images
from lunar_distill.objectives.objective import Arithmetic
from lunar_distill.objectives.regression import both_views, pair_error
from lunar_distill.starts.encoder_weights import load_encoder
from lunar_distill.starts.start import Start, start_student

RESULT_NAME = "result.json"
SPARSE = 0.01
MEASURED_AT_ONCE = 8
HELD_OUT_TERMS = ("points", "relief", "gradient")


@dataclass(frozen=True)
class Arm:
    """One variant.

    Attributes:
        name: For table and folder.
        config: The student.
        start: Of its decoder and heads.
        recipe: What it learns.
        freeze_encoder: See `RunOptions`.
    """

    name: str
    config: StudentConfig
    start: Start
    recipe: Recipe
    freeze_encoder: bool = False

    @property
    def folder(self) -> str:
        """Its name as a path."""
        return self.name.replace(" ", "_").replace("%", "percent")


def arms(
    base: StudentConfig,
    recipe: Recipe,
    decoders: Sequence[StudentConfig],
    encoders: Sequence[StudentConfig],
) -> list[Arm]:
    """The whole recipe, and each departure from it.

    Args:
        base: The student.
        recipe: The whole recipe.
        decoders: The same student with other decoders.
        encoders: The same student with other encoders.
    """
    best = Arm("best", base, Start.STREAM, recipe)
    truth = replace(recipe, target="truth", feature_weight=0.0, descriptor_weight=0.0)
    departures = [
        replace(best, name="SVD as published", start=Start.SVD),
        replace(best, name="no SVD", start=Start.RANDOM),
        replace(best, name="frozen encoder", freeze_encoder=True),
        replace(best, name="no feature loss", recipe=replace(recipe, feature_weight=0.0)),
        replace(best, name="ground truth", recipe=truth),
        replace(
            best, name=f"{SPARSE:.0%} of ground truth", recipe=replace(truth, truth_density=SPARSE)
        ),
    ]
    sizes = [
        replace(best, name=f"decoder {c.decoder_dim}x{c.decoder_depth}", config=c) for c in decoders
    ]
    kinds = [replace(best, name=f"encoder {c.encoder.value}", config=c) for c in encoders]
    return [best, *departures, *sizes, *kinds]


@dataclass(frozen=True)
class Bench:
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
    pairs: PairSource
    held_out: PairSource
    held_out_pairs: int
    options: RunOptions
    encoder_weights: dict[str, Path]
    device: torch.device
    calibration_pairs: int = 32
    loaders: int = 0


def run_arms(
    bench: Bench,
    every: Sequence[Arm],
    seeds: Sequence[int],
    out: Path,
    *,
    deadline: float = math.inf,
    say: Callable[[str], None] = lambda _: None,
) -> bool:
    """Train and measure every arm of every seed that is not done; True if all are.

    Args:
        bench: What they share.
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
            result = _run_arm(bench, arm, seed, folder, deadline)
            if result is None:
                return False
            say(f"seed {seed}, {arm.name}: teacher error {100 * result['teacher_error']:.3f} %")
    return True


def _run_arm(
    bench: Bench, arm: Arm, seed: int, folder: Path, deadline: float
) -> dict[str, float] | None:
    options = replace(bench.options, seed=seed, freeze_encoder=arm.freeze_encoder)
    torch.manual_seed(seed)
    student = build_student(arm.config)
    weights = bench.encoder_weights.get(arm.config.encoder.value)
    if weights is not None:
        load_encoder(student, weights)
    arithmetic = Arithmetic(bench.device, options.size_px, options.bf16)
    objective = FromTeacher(arm.recipe, arithmetic, bench.teacher)
    if not (folder / STATE_NAME).exists():
        bench.teacher.cpu()
        begun = start_student(
            student, bench.teacher, arm.start, bench.pairs, bench.calibration_pairs
        )
        if begun.tokens is not None:
            objective.tokens[arm.config.id] = begun.tokens
    run = Run(folder, options, objective, {"student": student}, device=bench.device)
    run.resume()
    train(run, bench.pairs, deadline=deadline, save_every=50, loaders=bench.loaders)
    if not run.finished:
        return None
    run.write_students()
    result = {
        **_measure_against_teacher(bench, run.learners[0].averaged, arm.recipe.min_confidence),
        **measure_against_truth(bench, run.learners[0].averaged),
        "parameters": float(sum(p.numel() for p in student.parameters())),
    }
    with atomic_path(folder / RESULT_NAME) as path:
        path.write_text(json.dumps({"arm": arm.name, "seed": seed, **result}, indent=1) + "\n")
    (folder / STATE_NAME).unlink()  # several times the student's size
    return result


@torch.no_grad()
def _measure_against_teacher(
    bench: Bench, student: Student, min_confidence: float
) -> dict[str, float]:
    """Held-out distance from what the teacher says where it is confident."""
    plain = Recipe(0.0, 0.0, relief_weight=1.0, min_confidence=min_confidence)
    arithmetic = Arithmetic(bench.device, bench.options.size_px, False)
    objective = FromTeacher(plain, arithmetic, bench.teacher)
    student.eval()
    errors, rows = [], []
    count = min(bench.held_out_pairs, len(bench.held_out))
    for i in range(0, count, MEASURED_AT_ONCE):
        numbers = np.arange(i, min(i + MEASURED_AT_ONCE, count))
        batch = bench.held_out.batch(numbers).to(bench.device)
        targets = objective.prepare(batch)
        terms = objective.loss(student, torch.nn.ModuleList(), batch, targets)[1]
        rows.append(torch.stack([terms[name] for name in HELD_OUT_TERMS]) * len(numbers))
        said = both_views(student(*as_images(batch), "both"))
        errors.append(pair_error(said, targets.points, targets.valid))
    means = torch.stack(rows).sum(0) / count
    return {"teacher_error": float(torch.cat(errors).mean())} | {
        f"teacher_{name}": float(mean) for name, mean in zip(HELD_OUT_TERMS, means, strict=True)
    }


def measure_against_truth(bench: Bench, student: Student) -> dict[str, float]:
    """DESIGN section 6 on the held-out pairs, as shares of the plane null."""
    pairs = rendered_pairs(bench.held_out, bench.held_out_pairs)
    found = asdict(summarise([measure(student, pair) for pair in pairs]))
    return {
        "absrel_of_null": found["absrel"] / found["absrel_null"],
        "slope_mae_of_null": found["slope_mae_deg"] / found["slope_mae_null_deg"],
        "relief_correlation": found["relief_correlation"],
    }
