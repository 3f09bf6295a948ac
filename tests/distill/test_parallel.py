"""Two processes of torchrun, as a user starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lunar_distill.cli import main
from lunar_distill.loop.parallel import join
from lunar_runtime.errors import BackendError
from safetensors.torch import load_file


def arguments(shards: Path, out: Path) -> list[str]:
    options = "--teacher S0 --student S0-48x2 --size 64 --batch 2 --accumulate 2 --pairs 8"
    more = "--warmup 2 --lr 1e-3 --fp32 --threads 1 --min-confidence 1 --calibration-pairs 2"
    return [*options.split(), *more.split(), "--data", str(shards), "--out", str(out)]


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


def test_two_processes_go_on_where_one_stopped_and_end_where_one_would(
    shards: Path, tmp_path: Path
) -> None:
    run_here(arguments(shards, tmp_path / "one"))
    run_here([*arguments(shards, tmp_path / "two"), "--minutes", "0"])  # one step of two
    assert not (tmp_path / "two" / "S0-48x2.safetensors").exists()
    done = torchrun(arguments(shards, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("S0-48x2.safetensors") == 1  # one of them speaks
    assert "resumed at step 1" in done.stderr
    one, two = (load_file(tmp_path / name / "S0-48x2.safetensors") for name in ("one", "two"))
    for key, value in one.items():
        # Gradients are added in another order: float32 rounding, through one step of AdamW.
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=2e-5, msg=key)
    rows = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("one", "two")]
    assert [len(lines) for lines in rows] == [2, 3]
    loss = rows[0][0].split(",").index("loss")
    first, last = (float(line.split(",")[loss]) for line in rows[1][1:])
    # The unbroken run logs the mean of both steps.
    assert (first + last) / 2 == pytest.approx(float(rows[0][1].split(",")[loss]), abs=1e-4)


def test_batches_that_two_processes_cannot_share_are_refused(shards: Path, tmp_path: Path) -> None:
    from lunar_distill.loop.options import RunOptions
    from lunar_distill.loop.parallel import Workers
    from lunar_distill.loop.train import Run
    from lunar_distill.objectives.distilled import FromTeacher, Recipe
    from lunar_distill.objectives.objective import Arithmetic
    from lunar_runtime.errors import UsageError

    recipe = Recipe(feature_weight=0.0, target="truth")
    objective = FromTeacher(recipe, Arithmetic(torch.device("cpu"), 64, False), None)
    with pytest.raises(UsageError, match="--accumulate 3 batches a step cannot be shared by 2"):
        Run(tmp_path, RunOptions(accumulate=3), objective, {}, Workers(0, 2))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_missing_is_an_error_and_not_a_fallback() -> None:
    with (
        pytest.raises(BackendError, match="--device cuda: PyTorch finds no CUDA device"),
        join("cuda"),
    ):
        pass
