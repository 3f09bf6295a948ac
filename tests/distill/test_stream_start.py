"""The start in the basis of the teacher's residual stream."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from lunar_distill.ablation.start_comparison import measure_starts
from lunar_distill.data.batch import Batch
from lunar_distill.data.shard_pairs import ShardPairs
from lunar_distill.starts.named_students import load_teacher, named_config
from lunar_distill.starts.smaller_layers import Affine, keep_inputs, rotary_map, shorten
from lunar_distill.starts.start_choice import Start
from lunar_distill.starts.stream_basis import find_basis
from lunar_distill.starts.stream_start import start_in_stream
from lunar_distill.starts.stream_statistics import Moments, collect_statistics
from lunar_student import Student, StudentConfig, build_student
from lunar_student.config import S0, AxisOrder
from lunar_student.rope import rope_tables, rotate

from .conftest import weight_of

SMALL = dataclasses.replace(S0, id="small", decoder_dim=64, decoder_heads=4, decoder_depth=2)


def flat_teacher(config: StudentConfig, rank: int) -> Student:
    """A network whose stream stays in `rank` directions, all without a mean."""
    torch.manual_seed(1)
    teacher = build_student(config).eval()
    basis = torch.linalg.qr(torch.randn(config.decoder_dim, rank + 1))[0]
    basis[:, 0] = 1.0
    basis = torch.linalg.qr(basis)[0][:, 1:]
    inside = basis @ basis.T
    with torch.no_grad():
        writers = [teacher.decoder_embed]
        for block in [*teacher.dec_blocks, *teacher.dec_blocks2]:
            writers += [block.attn.proj, block.cross_attn.proj, block.mlp.fc2]
            block.attn.qkv.weight *= 6  # attention that attends, and logits that matter
            block.norm1.weight.uniform_(0.5, 1.5)
            block.norm_y.bias.normal_(0, 0.3)
        for writer in writers:
            writer.weight.copy_(inside @ writer.weight)
            writer.bias.copy_(inside @ torch.randn_like(writer.bias) * 0.1)
        for head in (teacher.downstream_head1, teacher.downstream_head2):
            torch.nn.init.normal_(weight_of(head.dpt.head[-1]), std=0.3)
            torch.nn.init.normal_(head.frame.fc2.weight, std=0.02)
    return teacher


@pytest.fixture(scope="module")
def pairs(shards: Path) -> list[Batch]:
    data = ShardPairs.open([shards], 64)
    return [data.batch(np.arange(i, i + 2)) for i in (0, 2, 4, 6)]


def decoded(student: Student, batch: Batch, tokens: Student) -> tuple[torch.Tensor, torch.Tensor]:
    """Left points and the last layer, from another network's encoder."""
    left, right = (
        tokens.encode(view[:, None].expand(-1, 3, -1, -1)) for view in batch.images.unbind(0)
    )
    first, _ = student.decode(left, right)
    return student.downstream_head1.points(first)[0], first.layers[-1]


@torch.no_grad()
def test_a_stream_of_few_directions_survives_a_narrower_student(pairs: list[Batch]) -> None:
    # Eight heads of 8 both times: with the stream inside the basis, the student keeps 4 of the
    # teacher's 8 heads; so give it a teacher whose other heads say nothing.
    config = dataclasses.replace(S0, id="t", decoder_dim=64, decoder_heads=8, decoder_depth=2)
    teacher = flat_teacher(config, rank=20)
    for block in [*teacher.dec_blocks, *teacher.dec_blocks2]:
        block.attn.proj.weight[:, 32:] = 0
        block.cross_attn.proj.weight[:, 32:] = 0
        block.mlp.fc2.weight[:, 32:] = 0
    narrow = dataclasses.replace(config, id="n", decoder_dim=32, decoder_heads=4)
    student = build_student(narrow).eval()
    started = start_in_stream(student, teacher, pairs)
    assert started.kept == pytest.approx(1.0, abs=1e-5)
    theirs, _ = decoded(teacher, pairs[0], teacher)
    ours, _ = decoded(student, pairs[0], teacher)
    # The head's own two MLPs keep half their units, refitted; all else is exact.
    spread = (theirs - theirs.mean((1, 2), keepdim=True)).square().mean().sqrt()
    assert (ours - theirs).square().mean().sqrt() < 0.05 * spread


@torch.no_grad()
def test_a_student_of_the_teachers_size_says_the_same(pairs: list[Batch]) -> None:
    teacher = flat_teacher(SMALL, rank=40)
    student = build_student(SMALL).eval()
    start_in_stream(student, teacher, pairs)
    theirs, ours = (decoded(network, pairs[0], teacher)[0] for network in (teacher, student))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_wider_mlp_and_longer_heads_change_nothing(pairs: list[Batch]) -> None:
    teacher = flat_teacher(dataclasses.replace(SMALL, decoder_mlp_ratio=0.5), rank=40)
    student = build_student(SMALL).eval()
    start_in_stream(student, teacher, pairs)
    theirs, ours = (decoded(network, pairs[0], teacher)[0] for network in (teacher, student))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_basis_has_orthonormal_rows_and_no_mean(pairs: list[Batch]) -> None:
    teacher = flat_teacher(SMALL, rank=40)
    basis = find_basis(collect_statistics(teacher, pairs, [0]), 32, 96)
    assert basis.stream is not None
    # 32 rows of rank 31: the direction of the student's mean is given up.
    gram = basis.stream @ basis.stream.T
    expected = torch.eye(32) - 1 / 32
    torch.testing.assert_close(gram, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(basis.stream.sum(0), torch.zeros(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(basis.stream.sum(1), torch.zeros(32), atol=1e-4, rtol=0)
    torch.testing.assert_close(basis.tokens @ basis.tokens.T, torch.eye(96), atol=1e-5, rtol=0)
    assert 0 < basis.kept <= 1


def test_of_a_trained_decoder_the_stream_start_keeps_more_than_the_published(shards: Path) -> None:
    data = ShardPairs.open([shards], 64)
    starts = measure_starts(named_config("S0-96x4"), load_teacher("S0"), data, 4)
    errors = {start: found.decoder_error for start, found in starts.items()}
    assert errors[Start.STREAM] < 0.5 * errors[Start.SVD]
    assert starts[Start.STREAM].points_error < starts[Start.SVD].points_error


def test_least_squares_makes_up_for_inputs_that_can_be_predicted() -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    x = torch.cat((x, (x @ torch.tensor([1.0, -2.0, 0.5]) + 3)[:, None]), dim=1)
    moments = Moments()
    moments.add(x)
    layer = Affine(torch.randn(2, 4), torch.randn(2))
    kept = torch.tensor([0, 1, 2])
    smaller = keep_inputs(layer, moments, kept)
    # 1e-3: the ridge and float32 sums over 500 vectors.
    torch.testing.assert_close(
        x[:, kept] @ smaller.weight.T + smaller.bias, x @ layer.weight.T + layer.bias,
        atol=1e-3, rtol=1e-3,
    )  # fmt: skip


def test_shortened_products_have_the_discarded_energy_as_error() -> None:
    writer, reader = torch.randn(9, 6), torch.randn(6, 8)
    a, b = shorten(writer, reader, 4)
    strength = torch.linalg.svdvals(writer @ reader)
    error = (writer @ reader - a @ b).square().sum()
    torch.testing.assert_close(error, strength[4:].square().sum(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("swapped", [False, True])
def test_rotary_channels_turn_at_the_same_rate(swapped: bool) -> None:
    orders = (AxisOrder.YX, AxisOrder.XY) if swapped else (AxisOrder.XY, AxisOrder.XY)
    device = torch.device("cpu")
    theirs = torch.randn(1, 1, 12, 8)
    mapped = rotary_map(16, 8, swapped)
    ours = torch.zeros(1, 1, 12, 16)
    ours[..., mapped >= 0] = theirs[..., mapped[mapped >= 0]]
    a = rotate(theirs, rope_tables(3, 4, 8, orders[0], None, device))
    b = rotate(ours, rope_tables(3, 4, 16, orders[1], None, device))
    torch.testing.assert_close(b @ b.transpose(-1, -2), a @ a.transpose(-1, -2))
