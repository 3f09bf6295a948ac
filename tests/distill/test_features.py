"""The features' loss: margin, projectors, layers."""

from __future__ import annotations

import pytest
import torch
from lunar_distill.objectives.features import (
    Projectors,
    aligned_layers,
    as_maps,
    captured,
    margin_loss,
    spread_layers,
)
from lunar_student import build_student

from .conftest import backward


def test_layers_are_spread_to_the_last() -> None:
    assert spread_layers(12, 4) == [2, 5, 8, 11]
    assert spread_layers(24, 4) == [5, 11, 17, 23]
    assert spread_layers(4, 4) == [0, 1, 2, 3]


def test_the_margin_loss_leaves_aligned_tokens_alone() -> None:
    y = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    x = torch.tensor([[1.0, 0.3], [0.0, 1.0]], requires_grad=True)  # cos 0.958 and 0
    loss = margin_loss(x, y, margin=0.9)
    assert float(loss.detach()) == pytest.approx(1.0)  # the mean over the second alone
    backward(loss)
    assert x.grad is not None
    assert torch.equal(x.grad[0], torch.zeros(2))
    assert x.grad[1].norm() > 0


def test_all_aligned_is_no_loss_and_no_gradient() -> None:
    x = torch.tensor([[2.0, 0.1]], requires_grad=True)
    loss = margin_loss(x, torch.tensor([[1.0, 0.0]]))
    backward(loss)
    assert float(loss.detach()) == 0
    assert x.grad is not None and torch.equal(x.grad, torch.zeros(1, 2))


def test_a_projector_learns_the_teachers_channels() -> None:
    torch.manual_seed(0)
    truth = torch.nn.Linear(6, 10, bias=False)
    own = torch.randn(4, 6, 5, 5)
    theirs = truth(own.movedim(1, -1)).movedim(-1, 1).detach()
    projectors = Projectors([6], [10])
    optimiser = torch.optim.Adam(projectors.parameters(), 0.02)
    losses = []
    for _ in range(200):
        loss = projectors.losses([own], [theirs])
        optimiser.zero_grad()
        backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.5
    assert losses[-1] < 0.15  # 0.1 is where the margin stops it


def test_the_last_projector_starts_as_the_identity_or_as_told() -> None:
    own = torch.randn(2, 6, 3, 3)
    padded = torch.cat((own, torch.zeros(2, 2, 3, 3)), dim=1)
    assert float(Projectors([6], [8]).losses([own], [padded]).detach()) == 0
    tokens = torch.linalg.qr(torch.randn(8, 6))[0].T  # (student 6, teacher 8)
    theirs = torch.einsum("se,bshw->behw", tokens, own)
    assert float(Projectors([6], [8], tokens).losses([own], [theirs]).detach()) == 0


def test_the_teachers_maps_are_resized_to_the_students_grid() -> None:
    x = torch.rand(1, 4, 1, 1).expand(1, 4, 8, 8)
    assert float(Projectors([4], [4]).losses([x], [x[..., :4, :4]]).detach()) == 0


@pytest.mark.parametrize("name", ["S0", "S1", "S2", "S4"])
def test_every_encoder_gives_as_many_maps(name: str) -> None:
    student = build_student(name).eval()
    with torch.no_grad(), captured(aligned_layers(student)) as found:
        student.encode(torch.zeros(2, 3, 64, 96))
    maps = as_maps(found, student, (64, 96))
    assert len(maps) == 4
    assert all(x.ndim == 4 and x.shape[0] == 2 for x in maps)
    assert maps[-1].shape[1] == student.config.encoder_dim
    height, width = maps[-1].shape[-2:]
    assert (height, width) in {(4, 6), (5, 7)}  # ⌈64/14⌉ and ⌈96/14⌉ for DINOv2
