"""Students from a teacher."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lunar_distill.data.shard_pairs import ShardPairs
from lunar_distill.loop.run import Run
from lunar_distill.loop.train import train
from lunar_distill.loop.training_options import TrainingOptions
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.from_teacher import FromTeacher, true_points
from lunar_distill.objectives.pair_points import PairPoints, pair_error, pair_loss
from lunar_distill.objectives.recipe import Recipe
from lunar_distill.starts.named_students import load_teacher, named_config
from lunar_runtime.errors import UsageError
from lunar_student import Student, build_student, load_checkpoint

from .conftest import backward

OPTIONS = TrainingOptions(size_px=64, batch_size=2, total_pairs=6, warmup_steps=2, bf16=False)
RECIPE = Recipe(relief_weight=0.5, min_confidence=1.0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def teacher() -> Student:
    return load_teacher("S0")


@pytest.fixture(scope="module")
def data(shards: Path) -> ShardPairs:
    return ShardPairs.open([shards], 64)


def new_run(
    out: Path,
    teacher: Student | None,
    names: tuple[str, ...] = ("S0-48x2",),
    options: TrainingOptions = OPTIONS,
    recipe: Recipe = RECIPE,
) -> Run:
    torch.manual_seed(options.seed)
    students = {name: build_student(named_config(name)) for name in names}
    objective = FromTeacher(recipe, Arithmetic(CPU, options.size_px, False), teacher)
    run = Run(out, options, objective, students)
    run.resume()
    return run


def test_a_resumed_distillation_ends_where_an_unbroken_one_does(
    data: ShardPairs, teacher: Student, tmp_path: Path
) -> None:
    options = replace(OPTIONS, batch_size=1, accumulate=2, total_pairs=6)
    unbroken = new_run(tmp_path / "a", teacher, options=options)
    train(unbroken, data)
    train(new_run(tmp_path / "b", teacher, options=options), data, deadline=0.0)
    resumed = new_run(tmp_path / "b", teacher, options=options)
    assert resumed.step == 1
    train(resumed, data)
    a, b = unbroken.learners[0].state(), resumed.learners[0].state()
    for part in ("student", "averaged", "companions"):
        assert all(torch.equal(a[part][key], b[part][key]) for key in a[part])


def test_the_loss_on_one_batch_falls(data: ShardPairs, teacher: Student, tmp_path: Path) -> None:
    run = new_run(tmp_path, teacher, options=replace(OPTIONS, total_pairs=1000))
    batch = data.batch(np.arange(2))
    rows = [run.update([batch])[0] for _ in range(8)]
    for term in ("loss", "features"):
        assert rows[-1][term] < rows[0][term]


def test_the_projectors_train_and_the_teacher_does_not(
    data: ShardPairs, teacher: Student, tmp_path: Path
) -> None:
    weights = {key: value.clone() for key, value in teacher.state_dict().items()}
    run = new_run(tmp_path, teacher)
    before = [p.clone() for p in run.learners[0].companions.parameters()]
    assert len(before) == 4
    run.update([data.batch(np.arange(2))])
    after = run.learners[0].companions.parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(torch.equal(weights[key], value) for key, value in teacher.state_dict().items())


def test_a_frozen_encoder_does_not_move_and_the_rest_does(
    data: ShardPairs, teacher: Student, tmp_path: Path
) -> None:
    run = new_run(tmp_path, teacher, options=replace(OPTIONS, freeze_encoder=True))
    student = run.learners[0].student
    before = {key: value.clone() for key, value in student.state_dict().items()}
    train(run, data)
    moved = {
        key for key, value in student.state_dict().items() if not torch.equal(before[key], value)
    }
    assert not any(key.startswith("tiny_enc.backbone.") for key in moved)  # batch norm neither
    assert {"tiny_enc.adapter.0.weight", "decoder_embed.weight"} <= moved


def test_several_students_of_one_run_learn_as_each_would_alone(
    data: ShardPairs, teacher: Student, tmp_path: Path
) -> None:
    names = ("S0-48x2", "S0-64x2")
    together = new_run(tmp_path / "both", teacher, names)
    alone = new_run(tmp_path / "one", teacher, names[:1])
    alone.learners[0].companions.load_state_dict(together.learners[0].companions.state_dict())
    for run in (together, alone):
        train(run, data)
    a, b = (run.learners[0].student.state_dict() for run in (together, alone))
    assert all(torch.equal(a[key], b[key]) for key in a)
    paths = together.write_students()
    assert [path.name for path in paths] == ["S0-48x2.safetensors", "S0-64x2.safetensors"]
    loaded = load_checkpoint(paths[0]).config
    assert (loaded.decoder_dim, loaded.decoder_heads, loaded.decoder_depth) == (48, 4, 2)
    with (tmp_path / "both" / "log.csv").open() as file:
        assert [row["student"] for row in csv.DictReader(file)] == list(names)


def test_points_that_the_teacher_is_not_sure_of_are_not_taught(
    data: ShardPairs, teacher: Student
) -> None:
    batch = data.batch(np.arange(2))
    arithmetic = Arithmetic(CPU, 64, False)
    every = FromTeacher(RECIPE, arithmetic, teacher).prepare(batch)
    assert every.valid.all()  # confidences are above 1
    none = FromTeacher(replace(RECIPE, min_confidence=1e9), arithmetic, teacher)
    targets = none.prepare(batch)
    assert not targets.valid.any()
    student = build_student(named_config("S0-48x2"))
    loss, terms = none.loss(student, none.companions(student), batch, targets)
    assert float(terms["points"].detach()) == 0
    assert torch.isfinite(loss)
    with pytest.raises(UsageError, match=r"nowhere surer than min_confidence 1e\+09: there"):
        for _ in range(20):
            none.prepare(batch)


def test_a_teacher_teaches_itself_nothing(data: ShardPairs, teacher: Student) -> None:
    objective = FromTeacher(RECIPE, Arithmetic(CPU, 64, False), teacher)
    batch = data.batch(np.arange(2))
    _, terms = objective.loss(
        teacher, objective.companions(teacher), batch, objective.prepare(batch)
    )
    assert float(terms["relief"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["gradient"]) == pytest.approx(0, abs=1e-6)


def test_the_common_scale_of_a_pair_does_not_matter_but_that_of_one_view_does() -> None:
    points = torch.rand(1, 8, 4, 3) + 1
    valid = torch.ones(1, 8, 4, dtype=torch.bool)
    sure = torch.ones(1, 8, 4)
    scaled = PairPoints(5 * points, sure)
    # float32 rounding of a division by the mean distance
    assert float(pair_loss(scaled, points, valid)) == pytest.approx(0, abs=1e-6)
    torn = PairPoints(torch.cat((points[:, :4], 5 * points[:, 4:]), dim=1), sure)
    assert float(pair_error(torn, points, valid)) > 0.1


def test_true_points_of_both_views_lie_on_one_surface(data: ShardPairs) -> None:
    batch = data.batch(np.arange(2))
    points, valid = true_points(batch)
    left, right = points[:, :64], points[:, 64:]
    for i in range(2):
        own, other = (p[i][v[i]] for p, v in ((left, valid[:, :64]), (right, valid[:, 64:])))
        distance = torch.cdist(other[::17], own).min(1).values
        spacing = own.norm(dim=-1).mean() / float(batch.focal_px[i])
        # The right view also sees ground beside the left's, hence the lower quartile; a wrong pose
        # would put all of it kilometres, that is many pixels, away.
        assert distance.quantile(0.25) < 1.5 * spacing


def test_sparse_truth_is_the_same_few_pixels_of_every_image(data: ShardPairs) -> None:
    _, valid = true_points(data.batch(np.arange(4)), density=0.1)
    _, every = true_points(data.batch(np.arange(4)))
    known = every.all(0)
    assert torch.equal(valid[0] & known, valid[1] & known)
    # 4096 pixels drawn with probability 0.1: 410 ± 19
    assert 330 < int(valid[0, :64].sum()) < 490


def test_descriptors_are_taught_where_both_networks_have_them(data: ShardPairs) -> None:
    torch.manual_seed(0)
    batch = data.batch(np.arange(1))
    teacher = build_student(named_config("S4-64x2")).eval()
    objective = FromTeacher(Recipe(min_confidence=1.0), Arithmetic(CPU, 64, False), teacher)
    targets = objective.prepare(batch)
    assert len(targets.matches) == 1 and len(targets.matches[0].left) > 10
    student = build_student(named_config("S4-32x2"))
    loss, terms = objective.loss(student, objective.companions(student), batch, targets)
    assert set(terms) == {"points", "taught", "features", "descriptors"}
    backward(loss)
    gradient = student.downstream_head2.head_local_features.fc2.weight.grad
    assert gradient is not None and gradient.norm() > 0
    without = build_student(named_config("S0-48x2"))
    _, terms = objective.loss(without, objective.companions(without), batch, targets)
    assert "descriptors" not in terms


def test_another_teacher_is_another_run(data: ShardPairs, teacher: Student, tmp_path: Path) -> None:
    train(new_run(tmp_path, teacher), data, deadline=0.0)
    other = build_student("S0").eval()
    with pytest.raises(UsageError, match=r"begun with teacher S0 .*, not S0 "):
        new_run(tmp_path, other)


def test_a_recipe_that_needs_a_teacher_says_so() -> None:
    with pytest.raises(UsageError, match="a teacher's points or features need a teacher"):
        FromTeacher(Recipe(), Arithmetic(CPU, 64, False), None)
