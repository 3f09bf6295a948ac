from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lunar_distill.data.shard_pairs import ShardPairs
from lunar_distill.loop.evaluation import first_pairs, measure_student, summarise
from lunar_distill.loop.run import Run
from lunar_distill.loop.train import train
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.from_truth import FromTruth, Supervision
from lunar_distill.starts.untaught_start import begin_as_a_point, copy_left_to_right
from lunar_runtime.errors import UsageError
from lunar_student import Student, build_student, load_checkpoint

from .conftest import backward, run_tool

OPTIONS = TrainingOptions(
    size_px=64, batch_size=2, total_pairs=8, warmup_steps=2, encoder_rate=2.0, bf16=False
)


def new_run(
    out: Path,
    options: TrainingOptions = OPTIONS,
    student: Student | None = None,
    recipe: Supervision | None = None,
) -> Run:
    torch.manual_seed(0)
    arithmetic = Arithmetic(torch.device("cpu"), options.size_px, options.bf16)
    objective = FromTruth(recipe or Supervision(), arithmetic)
    run = Run(out, options, objective, {"student": student or build_student("S0")})
    run.resume()
    return run


def test_a_resumed_run_ends_where_an_unbroken_one_does(shards: Path, tmp_path: Path) -> None:
    data = ShardPairs.open([shards], 64)
    unbroken = new_run(tmp_path / "a")
    train(unbroken, data)
    broken = new_run(tmp_path / "b")
    train(broken, data, deadline=0.0)  # one step, then the deadline
    assert broken.step == 1
    resumed = new_run(tmp_path / "b")
    assert resumed.step == 1
    train(resumed, data)
    assert resumed.finished
    a, b = unbroken.learners[0], resumed.learners[0]
    for name in ("student", "averaged", "companions"):
        ours, others = getattr(a, name).state_dict(), getattr(b, name).state_dict()
        assert all(torch.equal(ours[key], others[key]) for key in ours)
    with (tmp_path / "b" / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 4]


def test_a_run_goes_on_only_with_its_own_options(shards: Path, tmp_path: Path) -> None:
    train(new_run(tmp_path), ShardPairs.open([shards], 64), deadline=0.0)
    other = TrainingOptions(**{**OPTIONS.__dict__, "learning_rate": 2e-3})
    with pytest.raises(UsageError, match=r"begun with learning_rate 0\.001, not 0\.002; give the"):
        new_run(tmp_path, other)
    begun = json.loads((tmp_path / "options.json").read_text())
    assert begun["learning_rate"] == 1e-3
    assert begun["students"] == {"student": "S0"}


def test_rows_after_the_checkpoint_are_written_only_once(shards: Path, tmp_path: Path) -> None:
    data = ShardPairs.open([shards], 64)
    train(new_run(tmp_path), data, deadline=0.0)
    log = tmp_path / "log.csv"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines, lines[1].replace("1,", "5,", 1)]) + "\n")  # then it died
    train(new_run(tmp_path), data)
    with log.open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 4]


def test_the_learning_rate_rises_stays_and_falls_to_zero() -> None:
    options = TrainingOptions(batch_size=1, total_pairs=100, warmup_steps=10, decay_fraction=0.5)
    assert options.rate_at(0) == pytest.approx(1e-4)
    assert options.rate_at(9) == options.rate_at(50) == pytest.approx(1e-3)
    assert options.rate_at(75) == pytest.approx(5e-4)  # half a cosine at its middle
    assert options.rate_at(100) == pytest.approx(0.0)


def test_training_on_one_batch_finds_its_relief(shards: Path, tmp_path: Path) -> None:
    data = ShardPairs.open([shards], 64)
    options = TrainingOptions(
        size_px=64, batch_size=4, total_pairs=400, warmup_steps=5, encoder_rate=2.0, bf16=False
    )
    run = new_run(tmp_path, options)
    batch = data.batch(np.arange(4))
    terms = [run.update([batch])[0] for _ in range(20)]
    assert terms[0]["relief"] == pytest.approx(1.0, abs=0.02)  # begins as the plane
    assert terms[-1]["relief"] < 0.8  # 0.53 here


def test_a_random_student_without_a_ray_field_begins_with_every_point_ahead() -> None:
    torch.manual_seed(0)
    student = build_student("S4").eval()
    begin_as_a_point(student)
    with torch.inference_mode():
        out = student(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), "both")
    for points in (out.pointmap_left, out.pointmap_right):
        want = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
        torch.testing.assert_close(points, want, rtol=0, atol=1e-6)


def test_the_right_view_trains_from_the_left_view(shards: Path, tmp_path: Path) -> None:
    student = build_student("S0")
    copy_left_to_right(student)
    left, right = student.downstream_head1.state_dict(), student.downstream_head2.state_dict()
    assert all(torch.equal(left[key], right[key]) for key in left)
    options = TrainingOptions(size_px=64, batch_size=4, total_pairs=8, bf16=False)
    run = new_run(tmp_path, options, student, Supervision(right_view=True))
    last = student.downstream_head2.dpt.head[-1]
    assert isinstance(last, torch.nn.Conv2d) and last.bias is not None
    before = last.bias.clone()
    train(run, ShardPairs.open([shards], 64))
    assert not torch.equal(before, last.bias)


def test_a_gradient_that_is_not_finite_is_skipped_and_counted(shards: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    learner = run.learners[0]
    before = [tensor.clone() for tensor in learner.tensors()]
    diverge(run)
    assert learner.skipped == 1
    pairs = zip(before, learner.tensors(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_run_without_finite_gradients_stops(shards: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    for _ in range(OPTIONS.total_steps - 1):
        diverge(run)
    run.learners[0].begin()
    run.learners[0].finish(1e-3, run.workers)  # a step that is finite starts the count again
    for _ in range(OPTIONS.total_steps - 1):
        diverge(run)
    with pytest.raises(UsageError, match="no finite gradient in 4 steps running"):
        diverge(run)


def diverge(run: Run) -> None:
    learner = run.learners[0]
    learner.begin()
    for buffer in learner.student.buffers():
        if buffer.is_floating_point():
            buffer.fill_(torch.nan)  # as a batch that overflows leaves its statistics
    learner.collect(learner.student.decoder_embed.bias.sum() * torch.inf)
    learner.finish(1e-3, run.workers)


def test_an_untrained_student_scores_as_the_plane_or_worse(shards: Path) -> None:
    student = build_student("S0")
    pairs = first_pairs(ShardPairs.open([shards], 64), 4)
    result = summarise([measure_student(student, pair) for pair in pairs])
    assert result.absrel >= 0.9 * result.absrel_null
    assert abs(result.relief_correlation) < 0.2
    assert "relief correlation" in str(result)


def test_the_command_writes_a_checkpoint_that_loads(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["supervise", "--data", str(shards), "--out", str(out), "--size", "64"]
    assert run_tool([*arguments, "--batch", "4", "--pairs", "8", "--fp32"]) == 0
    assert load_checkpoint(out / "student.safetensors").config.id == "S0"
    arguments = ["evaluate", "--ckpt", str(out / "student.safetensors"), "--data", str(shards)]
    capsys.readouterr()
    assert run_tool([*arguments, "--size", "64", "--pairs", "2"]) == 0
    assert capsys.readouterr().out.startswith("2 pairs: AbsRel")
    with (out / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2]


def test_each_folder_of_held_out_pairs_is_measured_by_itself(
    shards: Path, landings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = "--size 64 --batch 2 --pairs 4 --fp32 --examine-every 1 --held-out-pairs 2"
    arguments = ["supervise", *options.split(), "--out", str(out)]
    arguments += ["--data", str(shards), "--data", str(landings)]
    arguments += ["--held-out", str(shards), "--held-out", str(landings)]
    assert run_tool(arguments) == 0
    with (out / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    places = [str(shards), str(landings)] * 2
    assert [(row["step"], row["held_out"]) for row in rows] == [*zip("1122", places, strict=True)]
    nulls = [float(row["absrel_null"]) for row in rows]
    assert nulls[0] == nulls[2] != nulls[1] == nulls[3]


@pytest.mark.parametrize("keep", [True, False])
def test_statistics_of_batch_norms_can_be_kept(shards: Path, tmp_path: Path, keep: bool) -> None:
    options = replace(OPTIONS, keep_statistics=keep)
    run = new_run(tmp_path, options)
    learner = run.learners[0]
    before = {name: buffer.clone() for name, buffer in learner.student.named_buffers()}
    weights = [parameter.clone() for parameter in learner.student.parameters()]
    train(run, ShardPairs.open([shards], 64))
    after = dict(learner.averaged.named_buffers())
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before) == keep
    moved = zip(weights, learner.student.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in moved)


def test_without_their_weight_probes_teach_nothing(shards: Path) -> None:
    arithmetic = Arithmetic(torch.device("cpu"), 64, False)
    batch = ShardPairs.open([shards], 64).batch(np.arange(2))
    torch.manual_seed(0)
    student = build_student("S0")
    for weight, moved in ((5.0, True), (0.0, False)):
        objective = FromTruth(Supervision(probe_weight=weight), arithmetic)
        probes = objective.companions(student)
        loss, _ = objective.loss(student, probes, batch, None)
        backward(loss)
        gradients = [probe.grad for probe in probes.parameters() if probe.grad is not None]
        assert any(bool(gradient.any()) for gradient in gradients) == moved


@pytest.mark.parametrize(
    ("extra", "code", "text"),
    [
        (["--size", "50"], 2, "must be a multiple of 32"),
        (["--copy-left"], 2, "--copy-left needs --init"),
        (["--keep-statistics"], 2, "--keep-statistics needs --init"),
        (["--student", "S9"], 2, "no student 'S9'; known are S0,"),
        (["--student", "S2-100x4"], 2, "its width must be a multiple of 16"),
        (["--render", "1"], 2, "give one of --data DIR and --render SEED"),
        (["--accumulate", "0"], 2, "'--accumulate'"),
        (["--data", "nowhere"], 3, "nowhere: no such file or folder; check the path"),
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
    assert run_tool(arguments) == code
    error = capsys.readouterr().err
    assert error.startswith("lunar-distill: ")
    assert error.count("\n") == 1
    assert text in error
    assert not (tmp_path / "run").exists()
