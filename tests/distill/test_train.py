from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from lunar_distill.cli import main
from lunar_distill.evaluate import measure, rendered_pairs, summarise
from lunar_distill.pairs import RenderedPairs
from lunar_distill.train import Trainer, TrainOptions, copy_left_to_right, train
from lunar_student import build_student, load_checkpoint

OPTIONS = TrainOptions(size_px=64, batch_size=4, total_pairs=24, warmup_steps=2, bf16=False)


def test_a_resumed_run_ends_where_an_unbroken_one_does(shards: Path, tmp_path: Path) -> None:
    data = RenderedPairs([shards], 64)
    unbroken = Trainer(OPTIONS, tmp_path / "a")
    train(unbroken, data)
    broken = Trainer(OPTIONS, tmp_path / "b")
    train(broken, data, deadline=0.0)  # one step, then the deadline
    assert broken.step == 1
    resumed = Trainer(OPTIONS, tmp_path / "b")
    assert resumed.resume()
    train(resumed, data)
    assert resumed.finished
    for a, b in zip(unbroken.student.parameters(), resumed.student.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_on_one_batch_finds_its_relief(shards: Path, tmp_path: Path) -> None:
    data = RenderedPairs([shards], 64)
    trainer = Trainer(
        TrainOptions(size_px=64, batch_size=4, total_pairs=400, warmup_steps=5), tmp_path
    )
    import numpy as np

    batch = data.batch(np.arange(4))
    terms = [trainer.update(batch) for _ in range(40)]
    assert terms[0]["relief"] == pytest.approx(1.0, abs=0.02)  # begins as the plane
    assert terms[-1]["relief"] < 0.8


def test_the_right_view_trains_from_the_left_view(shards: Path, tmp_path: Path) -> None:
    student = build_student("S0")
    copy_left_to_right(student)
    left, right = student.downstream_head1.state_dict(), student.downstream_head2.state_dict()
    assert all(torch.equal(left[key], right[key]) for key in left)
    options = TrainOptions(size_px=64, batch_size=4, total_pairs=8, right_view=True)
    trainer = Trainer(options, tmp_path, student)
    before = student.downstream_head2.dpt.head[-1].bias.clone()
    train(trainer, RenderedPairs([shards], 64))
    assert not torch.equal(before, student.downstream_head2.dpt.head[-1].bias)


def test_an_untrained_student_scores_as_the_plane_or_worse(shards: Path) -> None:
    student = build_student("S0")
    pairs = rendered_pairs(RenderedPairs([shards], 64), 4)
    result = summarise([measure(student, pair) for pair in pairs])
    assert result.absrel >= 0.9 * result.absrel_null
    assert abs(result.relief_correlation) < 0.2
    assert "relief correlation" in str(result)


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_the_command_writes_a_checkpoint_that_loads(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["supervise", "--data", str(shards), "--out", str(out), "--size", "64"]
    assert run([*arguments, "--batch", "4", "--pairs", "8"]) == 0
    assert load_checkpoint(out / "student.safetensors").config.id == "S0"
    arguments = ["evaluate", "--ckpt", str(out / "student.safetensors"), "--data", str(shards)]
    capsys.readouterr()
    assert run([*arguments, "--size", "64", "--pairs", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 pairs: AbsRel")
    with (out / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2]


@pytest.mark.parametrize(
    ("extra", "code", "text"),
    [
        (["--size", "50"], 2, "must be a multiple of 32"),
        (["--copy-left"], 2, "--copy-left needs --init"),
        (["--student", "S9"], 2, "'S9' is not one of 'S0'"),
        (["--data", "nowhere"], 2, "'nowhere' does not exist"),
    ],
)
def test_wrong_usage_is_one_line(
    shards: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    code: int,
    text: str,
) -> None:
    arguments = ["supervise", "--data", str(shards), "--out", str(tmp_path / "run"), *extra]
    assert run(arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("lunar-distill: ")
    assert error.count("\n") == 1
    assert text in error
    assert not (tmp_path / "run").exists()
