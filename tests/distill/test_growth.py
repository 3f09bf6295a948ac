"""A larger network with the same outputs."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from lunar_distill.starts.growth import grow
from lunar_runtime.errors import UsageError
from lunar_student import build_student
from lunar_student.config import S0

from .conftest import backward, weight_of


def test_a_grown_network_says_what_the_smaller_one_said() -> None:
    torch.manual_seed(0)
    small = build_student(dataclasses.replace(S0, decoder_dim=64)).eval()
    for head in (small.downstream_head1, small.downstream_head2):
        torch.nn.init.normal_(weight_of(head.dpt.head[-1]))
    large = grow(small, 6, 4.0)
    assert large.config.id == "S0-64x6"
    assert weight_of(large.get_submodule("dec_blocks.5.mlp.fc1")).shape == (256, 64)
    left, right = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    a, b = small(left, right), large(left, right)
    # float32 sums with zeros in them are the same sums
    torch.testing.assert_close(a.pointmap_left, b.pointmap_left, rtol=1e-5, atol=1e-6)
    assert a.pointmap_right is not None and b.pointmap_right is not None
    torch.testing.assert_close(a.pointmap_right, b.pointmap_right, rtol=1e-5, atol=1e-6)


def test_new_layers_learn() -> None:
    large = grow(build_student(dataclasses.replace(S0, decoder_dim=64)), 6, 2.0).train()
    torch.nn.init.normal_(weight_of(large.downstream_head1.dpt.head[-1]))
    image = torch.rand(1, 3, 64, 64)
    backward(large(image, image).pointmap_left.sum())
    for i in (2, 4):  # the new ones
        gradient = weight_of(large.get_submodule(f"dec_blocks.{i}.mlp.fc2")).grad
        assert gradient is not None and gradient.norm() > 0


def test_growing_smaller_is_refused() -> None:
    with pytest.raises(UsageError, match="3 and 1 are not larger"):
        grow(build_student("S0"), 3, 1.0)
