"""Options that several commands of `lunar-distill` take; defaults come from what they fill."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from lunar_runtime.commands.options import FILE, PATH, overwrite, threads
from lunar_runtime.errors import InputError

from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.objectives.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]


class _Existing(click.Path):
    """A file or folder that is there; one that is not is unusable input, as in every tool."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        path = Path(value)
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; check the path")
        return path


EXISTING = _Existing(path_type=Path)


def teacher(command: F) -> F:
    """`--teacher`: a checkpoint or a member of the family."""
    return click.option(
        "--teacher", required=True, help="Its checkpoint, or S0 for the one in the source tree."
    )(command)


def run_folder(command: F) -> F:
    """`--out`: the folder of a run, which may be there already."""
    return click.option("--out", type=PATH, required=True, help="Folder of the run.")(command)


def learning_rate(default: float) -> Option[Any]:
    """`--lr`, parameter `learning_rate`."""
    return click.option(
        "--lr",
        "learning_rate",
        type=float,
        default=default,
        show_default=True,
        help="Of AdamW, after the warm-up.",
    )


def pair_count(what: str, default: int) -> Option[Any]:
    """`--pairs`, parameter `count`: of a measurement."""
    return click.option(
        "--pairs", "count", type=click.IntRange(1), default=default, show_default=True, help=what
    )


def image_size(default: int) -> Option[Any]:
    """`--size`, parameter `size_px`."""
    return click.option(
        "--size", "size_px", type=int, default=default, show_default=True, help="Image side, px."
    )


def seed(command: F) -> F:
    """`--seed`."""
    return click.option(
        "--seed", type=int, default=0, show_default=True, help="Of weights and batches."
    )(command)


#: `--save` and `--overwrite`: figures as a file.
SAVING = (
    click.option("--save", type=FILE, help="Also write every figure to a JSON file."),
    overwrite("the file of --save"),
)

#: The pairs to train on, or to start with.
DATA = (
    click.option(
        "--data",
        type=EXISTING,
        multiple=True,
        help="Folder of shards, or of scenes in StereoLunar's layout; may be repeated.",
    ),
    click.option(
        "--render",
        "render_seed",
        type=click.IntRange(0),
        metavar="SEED",
        help="Instead of --data: render new pairs while training.",
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out damaged pairs, and count them."),
    image_size(TrainingOptions.size_px),
)

#: What is learned of a teacher, and how the student starts from it.
TEACHING = (
    click.option(
        "--calibration-pairs",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Pairs that show the start `stream` the teacher's stream.",
    ),
    learning_rate(1e-4),
    click.option(
        "--encoder-rate",
        type=click.FloatRange(0),
        default=TrainingOptions.encoder_rate,
        show_default=True,
        help="Factor on --lr for the encoder.",
    ),
    click.option(
        "--feature-weight",
        type=click.FloatRange(0),
        default=Recipe.feature_weight,
        show_default=True,
        help="Of the encoder's features.",
    ),
    click.option(
        "--descriptor-weight",
        type=click.FloatRange(0),
        default=Recipe.descriptor_weight,
        show_default=True,
        help="Of the descriptors, where both networks have them.",
    ),
    click.option(
        "--relief-weight",
        type=click.FloatRange(0),
        default=Recipe.relief_weight,
        show_default=True,
        help="Of relief and slopes beside the points; 0.5 helps small students.",
    ),
    click.option(
        "--min-confidence",
        type=float,
        default=Recipe.min_confidence,
        show_default=True,
        help="The teacher's points below it are not taught.",
    ),
)

#: How a run trains.
TRAINING = (
    click.option(
        "--batch",
        "batch_size",
        type=click.IntRange(1),
        default=TrainingOptions.batch_size,
        show_default=True,
        help="Pairs that are computed at once.",
    ),
    click.option(
        "--accumulate",
        type=click.IntRange(1),
        default=TrainingOptions.accumulate,
        show_default=True,
        help="Batches a step, shared by all processes of torchrun.",
    ),
    click.option(
        "--pairs",
        "total_pairs",
        type=click.IntRange(1),
        default=TrainingOptions.total_pairs,
        show_default=True,
        help="Pairs to see in all.",
    ),
    click.option(
        "--warmup",
        "warmup_steps",
        type=click.IntRange(1),
        default=TrainingOptions.warmup_steps,
        show_default=True,
        help="Steps.",
    ),
    click.option(
        "--clip",
        "clip_norm",
        type=click.FloatRange(0, min_open=True),
        default=TrainingOptions.clip_norm,
        show_default=True,
        help="Largest gradient norm.",
    ),
    click.option(
        "--ema",
        type=click.FloatRange(0, 1),
        default=TrainingOptions.ema,
        show_default=True,
        help="Decay of the averaged weights.",
    ),
    seed,
    click.option(
        "--bf16/--fp32",
        default=None,
        help="Precision of the arithmetic.  [default: bf16 where the processor has it]",
    ),
    click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True),
    threads,
    click.option("--minutes", type=float, help="Stop after so long; run again to go on."),
    click.option(
        "--loaders",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Processes that prepare pairs; 0: a thread. A GPU wants several. Each keeps two "
        "batches in /dev/shm.",
    ),
    click.option(
        "--save-every",
        type=click.IntRange(1),
        default=500,
        show_default=True,
        help="Steps between checkpoints.",
    ),
    click.option(
        "--held-out",
        type=EXISTING,
        multiple=True,
        help="Pairs with depth to be measured on meanwhile; may be repeated, each is told apart.",
    ),
    click.option(
        "--held-out-pairs",
        type=click.IntRange(1),
        default=64,
        show_default=True,
        help="How many of each.",
    ),
    click.option(
        "--examine-every",
        type=click.IntRange(1),
        default=500,
        show_default=True,
        help="Steps between measurements on --held-out.",
    ),
)


def with_options(*groups: tuple[Option[Any], ...]) -> Option[Any]:
    """Add groups of options to a command, in their order."""

    def add(command: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add
