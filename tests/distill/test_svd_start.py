"""The published start: layer maps, truncation, identity."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from lunar_distill.starts.smaller_layers import shrink, truncated
from lunar_distill.starts.svd_start import start_published
from lunar_distill.starts.teacher_layers import layer_map
from lunar_runtime.errors import UsageError
from lunar_student import build_student
from lunar_student.config import S0


def test_layers_are_mapped_uniformly() -> None:
    assert layer_map(6, 12) == [0, 2, 4, 6, 8, 10]
    assert layer_map(4, 12) == [0, 3, 6, 9]
    assert layer_map(4, 6) == [0, 1, 3, 4]
    assert layer_map(5, 5) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("rank", [1, 7, 20])
def test_the_error_of_truncation_is_the_discarded_energy(rank: int) -> None:
    matrix = torch.randn(30, 20, generator=torch.Generator().manual_seed(rank))
    strength = torch.linalg.svdvals(matrix)
    error = (matrix - truncated(matrix, rank)).square().sum()
    discarded = strength[rank:].square().sum()
    # float32 rounding of 600 products
    torch.testing.assert_close(error, discarded, rtol=1e-4, atol=1e-6)


def test_a_smaller_shape_is_the_leading_block_of_the_truncated_matrix() -> None:
    matrix = torch.randn(12, 10)
    torch.testing.assert_close(shrink(matrix, (4, 6)), truncated(matrix, 4)[:4, :6])
    assert torch.equal(shrink(matrix[0], (6,)), matrix[0, :6])


def test_what_has_the_same_shape_is_copied() -> None:
    matrix = torch.randn(12, 10)
    assert torch.equal(shrink(matrix, (12, 10)), matrix)


def test_a_convolution_shrinks_by_channels() -> None:
    kernel = torch.zeros(6, 5, 3, 3)
    kernel[0, 0] = torch.arange(9.0).view(3, 3)  # of rank one as a matrix: survives any truncation
    torch.testing.assert_close(shrink(kernel, (2, 2, 3, 3))[0, 0], kernel[0, 0])


def test_a_student_of_the_teachers_size_gets_its_decoder_and_heads() -> None:
    teacher, student = build_student("S0"), build_student("S0")
    torch.nn.init.normal_(teacher.downstream_head1.frame.fc2.weight)
    started = start_published(student, teacher)
    assert not started.left
    ours, theirs = student.state_dict(), teacher.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in started.taken)
    assert set(ours) - set(started.taken) == {key for key in ours if key.startswith("tiny_enc.")}


def test_a_decoder_larger_than_the_teachers_is_refused() -> None:
    teacher = build_student(dataclasses.replace(S0, decoder_dim=96))
    with pytest.raises(UsageError, match="S0 has decoder_dim 192, its teacher 96: no SVD start"):
        start_published(build_student("S0"), teacher)
