"""`lunar-distill`: train a student, measure it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from lunar_runtime import __version__
from lunar_runtime.command_line import run_command

NAME = "lunar-distill"
EXISTING = click.Path(path_type=Path, exists=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME)
def command() -> None:
    """Train a student of the family, and measure it against the truth."""


@command.command()
@click.option("--data", type=EXISTING, multiple=True, required=True, help="Folder of shards.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option(
    "--student",
    type=click.Choice(["S0", "S1", "S2", "S3", "S4", "teacher"]),
    default="S0",
    show_default=True,
)
@click.option(
    "--init", type=EXISTING, help="Checkpoint to start from (any that lunar-export takes)."
)
@click.option("--size", "size_px", type=int, default=128, show_default=True, help="Image side, px.")
@click.option("--batch", "batch_size", type=click.IntRange(1), default=16, show_default=True)
@click.option("--pairs", "total_pairs", type=click.IntRange(1), default=100_000, show_default=True)
@click.option("--lr", "learning_rate", type=float, default=1e-3, show_default=True)
@click.option(
    "--decay", "decay_fraction", type=click.FloatRange(0, 1), default=0.3, show_default=True
)
@click.option("--warmup", "warmup_steps", type=click.IntRange(1), default=300, show_default=True)
@click.option("--right-view", is_flag=True, help="Train the right view's head too.")
@click.option("--copy-left", is_flag=True, help="Start the right view's head from the left's.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--bf16/--fp32", default=True, show_default=True, help="Precision of the arithmetic.")
@click.option("--minutes", type=float, help="Stop after so long; run again to go on.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all).")
def supervise(
    data: tuple[Path, ...],
    out: Path,
    init: Path | None,
    copy_left: bool,
    minutes: float | None,
    threads: int | None,
    **options: object,
) -> None:
    """Train from ground truth on rendered shards; run again to resume.

    Writes RUN/state.pt (checkpoint), RUN/log.csv, and at the end of the schedule
    RUN/student.safetensors with the averaged weights.
    """
    import math
    import time

    import torch
    from lunar_runtime.errors import UsageError
    from lunar_student import load_checkpoint, save_checkpoint

    from lunar_distill.pairs import RenderedPairs
    from lunar_distill.train import Trainer, TrainOptions, copy_left_to_right, train

    if threads:
        torch.set_num_threads(threads)
    chosen = TrainOptions(**options)  # type: ignore[arg-type]
    if chosen.size_px % 32:
        raise UsageError(f"--size {chosen.size_px}: must be a multiple of 32")
    initial = load_checkpoint(init) if init else None
    if initial is not None and initial.config.id != chosen.student:
        raise UsageError(f"--init {init} is {initial.config.id}, not --student {chosen.student}")
    if copy_left:
        if initial is None:
            raise UsageError("--copy-left needs --init: there is no trained left view to copy")
        copy_left_to_right(initial)
    pairs = RenderedPairs(list(data), chosen.size_px)
    trainer = Trainer(chosen, out, initial)
    if trainer.resume():
        click.echo(f"resumed at step {trainer.step}", err=True)
    deadline = math.inf if minutes is None else time.time() + 60 * minutes
    train(trainer, pairs, deadline=deadline)
    if trainer.finished:
        save_checkpoint(trainer.averaged, out / "student.safetensors")
        click.echo(str(out / "student.safetensors"))
    else:
        click.echo(f"stopped at step {trainer.step}; run the same command to go on", err=True)


@command.command()
@click.option("--ckpt", type=EXISTING, required=True, help="Checkpoint.")
@click.option("--data", type=EXISTING, help="Folder of shards that the student has not seen.")
@click.option("--stereolunar", type=EXISTING, help="Folder in StereoLunar's layout.")
@click.option("--size", "size_px", type=int, default=256, show_default=True, help="Image side, px.")
@click.option("--pairs", "count", type=click.IntRange(1), default=256, show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Also write every pair as JSON.")
def evaluate(
    ckpt: Path,
    data: Path | None,
    stereolunar: Path | None,
    size_px: int,
    count: int,
    save: Path | None,
) -> None:
    """Measure a checkpoint's left pointmaps against the truth, beside the plane null."""
    import itertools
    import json
    from dataclasses import asdict

    from lunar_runtime.atomic import atomic_path
    from lunar_runtime.errors import UsageError
    from lunar_student import load_checkpoint

    from lunar_distill.evaluate import measure, rendered_pairs, stereolunar_pairs, summarise
    from lunar_distill.pairs import RenderedPairs

    if (data is None) == (stereolunar is None):
        raise UsageError("give one of --data and --stereolunar")
    student = load_checkpoint(ckpt)
    if data is not None:
        pairs = rendered_pairs(RenderedPairs([data], size_px), count)
    else:
        assert stereolunar is not None
        pairs = itertools.islice(stereolunar_pairs(stereolunar, size_px), count)
    results = []
    rows = []
    for pair in pairs:
        own, null = measure(student, pair)
        results.append((own, null))
        rows.append(
            {
                "pair": pair.name,
                "absrel": own.absrel_median,
                "absrel_null": null.absrel_median,
                "slope_mae_deg": own.slope_mae_deg,
                "slope_mae_null_deg": null.slope_mae_deg,
                "relief_correlation": own.relief_correlation,
            }
        )
    summary = summarise(results)
    click.echo(str(summary))
    if save is not None:
        record = {"student": student.config.id, "size_px": size_px, "summary": asdict(summary)}
        with atomic_path(save) as path:
            path.write_text(json.dumps({**record, "pairs": rows}, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `lunar-distill`; see `run_command` for the exit codes."""
    run_command(command, NAME, arguments)


if __name__ == "__main__":
    main()
