"""The loop: steps, checkpoints, one log, held-out pairs."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lunar_student import Student

from lunar_distill.data.training_pairs import TrainingPairs
from lunar_distill.loop.feed import batches
from lunar_distill.loop.progress import steps_bar
from lunar_distill.loop.run import Run
from lunar_distill.loop.run_tables import EVALUATION_NAME, LOG_NAME, append_row

LOG_EVERY = 50

_logger = logging.getLogger(__name__)

#: Figures of a student by the folder that they were measured on.
Examine = Callable[[Student], dict[str, dict[str, float]]]


def train(
    run: Run,
    data: TrainingPairs,
    *,
    deadline: float = math.inf,
    save_every: int = 500,
    examine: Examine | None = None,
    examine_every: int = 500,
    loaders: int = 0,
) -> None:
    """Run to the end of the schedule or until `deadline` (seconds since the epoch).

    Args:
        run: What to train.
        data: The pairs.
        deadline: When to stop; the last step is saved.
        save_every: Steps between checkpoints.
        examine: Measures a student on held-out pairs, every `examine_every` steps and at the end.
        examine_every: Steps.
        loaders: Processes that prepare batches; see `batches`.
    """
    options, workers = run.options, run.workers
    if run.finished:
        return
    share = options.accumulate // workers.world
    source = batches(data, options, run.step, workers, loaders)
    window: list[list[dict[str, float]]] = []
    begin = time.monotonic()
    with steps_bar(run.step, options.total_steps, workers.is_first) as advance:
        while True:
            window.append(run.update(next(source) for _ in range(share)))
            advance(window[-1][0]["loss"])
            done = run.finished or workers.any(time.time() > deadline, run.device)
            if run.step % LOG_EVERY == 0 or done:
                rate = len(window) * options.pairs_per_step / (time.monotonic() - begin)
                _write_log(run, window, rate)
                window, begin = [], time.monotonic()
            if examine is not None and (run.step % examine_every == 0 or run.finished):
                _examine(run, examine)
                begin = time.monotonic()
            if run.step % save_every == 0 or done:
                run.save()
            if done:
                workers.wait()
                return


def _write_log(run: Run, window: Sequence[Sequence[dict[str, float]]], rate: float) -> None:
    for number, learner in enumerate(run.learners):
        rows = [step[number] for step in window]
        means = torch.tensor(
            [sum(row[name] for row in rows) / len(rows) for name in rows[0]], device=run.device
        )
        run.workers.sum_([means])
        row: dict[str, Any] = {
            "step": run.step,
            "pairs": run.step * run.options.pairs_per_step,
            "student": learner.name,
            "learning_rate": f"{run.options.rate_at(run.step - 1):.4g}",
            "pairs_per_s": round(rate, 2),
            "skipped": learner.skipped,
        }
        row |= {name: round(float(mean), 5) for name, mean in zip(rows[0], means, strict=True)}
        if run.workers.is_first:
            append_row(run.out / LOG_NAME, row)
            _logger.info("step %d, %s: loss %g", run.step, learner.name, row["loss"])


def _examine(run: Run, examine: Examine) -> None:
    if run.workers.is_first:
        for learner in run.learners:
            for folder, figures in examine(learner.averaged).items():
                found = {name: round(value, 6) for name, value in figures.items()}
                row = {"step": run.step, "student": learner.name, "held_out": folder}
                append_row(run.out / EVALUATION_NAME, row | found)
    run.workers.wait()
