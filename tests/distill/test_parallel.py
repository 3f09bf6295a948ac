"""Two processes of torchrun, as a user starts them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lunar_distill.cli import main
from lunar_distill.loop.workers import join
from lunar_distill.starts.named_students import named_config
from lunar_runtime.errors import BackendError
from lunar_student import build_student, save_checkpoint
from safetensors.torch import load_file


def arguments(shards: Path, begin: Path, out: Path) -> list[str]:
    """Six steps that converge: the features count as much as the points, the start is random.

    A decoder that starts from a trained one behind a random encoder does not: its confidence, an
    exponential, weighs the points' error. In a few steps at this rate the loss goes from 0.14 to
    2.6, or to 3e8 where a processor rounds in another way.
    """
    options = "--teacher S0 --student S0-48x2 --size 64 --batch 2 --accumulate 2 --pairs 24"
    more = "--warmup 2 --lr 1e-3 --ema 0 --feature-weight 1 --fp32 --threads 1 --min-confidence 1"
    files = ["--init", str(begin), "--data", str(shards), "--out", str(out)]
    return [*options.split(), *more.split(), *files]


def run_here(given: list[str]) -> None:
    threads = torch.get_num_threads()
    try:
        with pytest.raises(SystemExit) as stop:
            main(given)
    finally:
        torch.set_num_threads(threads)
    assert stop.value.code == 0


def torchrun(given: list[str]) -> subprocess.CompletedProcess[str]:
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*runner, "-m", "lunar_distill.cli", *given],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Euclidean, over all weights and statistics of two networks."""
    squares = [(a[key].double() - b[key].double()).square().sum() for key in a]
    return float(torch.stack(squares).sum().sqrt())


def logged(folder: Path, column: str) -> list[float]:
    with (folder / "log.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def test_two_processes_go_on_where_one_stopped_and_end_where_one_would(
    shards: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    begin, alone, shared = (tmp_path / name for name in ("begin.safetensors", "one", "two"))
    save_checkpoint(build_student(named_config("S0-48x2")), begin)
    run_here(arguments(shards, begin, alone))
    run_here([*arguments(shards, begin, shared), "--minutes", "0"])  # one step of six
    assert not (shared / "S0-48x2.safetensors").exists()
    done = torchrun(arguments(shards, begin, shared))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("S0-48x2.safetensors") == 1  # one of them speaks
    assert "resumed at step 1" in done.stderr

    assert logged(alone, "step") == [6]
    assert logged(shared, "step") == [1, 6]
    first, rest = logged(shared, "loss")
    assert rest < 0.9 * first  # it converges: 0.96, then 0.75 in the mean
    # The unbroken run logs the mean of all six steps. Float32 sums in another order, through six
    # steps of AdamW: 5e-4 between one and two threads; a batch that is lost is 5e-2.
    assert (first + 5 * rest) / 6 == pytest.approx(logged(alone, "loss")[0], rel=1e-3)

    # AdamW makes a whole step of a gradient that is nothing but rounding, so single weights may
    # differ by a step. All together they differ by at most 2.5 % of their way between one and two
    # threads or other instruction sets; half of the batches lost is 23 %.
    one, two = (load_file(run / "S0-48x2.safetensors") for run in (alone, shared))
    assert distance(one, two) < 0.03 * distance(one, load_file(begin))


def test_batches_that_two_processes_cannot_share_are_refused(shards: Path, tmp_path: Path) -> None:
    from lunar_distill.loop.run import Run
    from lunar_distill.loop.training_options import TrainingOptions
    from lunar_distill.loop.workers import Workers
    from lunar_distill.objectives.arithmetic import Arithmetic
    from lunar_distill.objectives.from_teacher import FromTeacher
    from lunar_distill.objectives.recipe import Recipe
    from lunar_runtime.errors import UsageError

    recipe = Recipe(feature_weight=0.0, target="truth")
    objective = FromTeacher(recipe, Arithmetic(torch.device("cpu"), 64, False), None)
    text = "accumulate 3: as many batches a step cannot be shared by 2 processes"
    with pytest.raises(UsageError, match=text):
        Run(tmp_path, TrainingOptions(accumulate=3), objective, {}, Workers(0, 2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_missing_is_an_error_and_not_a_fallback() -> None:
    with (
        pytest.raises(BackendError, match="device cuda: PyTorch finds no CUDA device"),
        join("cuda"),
    ):
        pass
