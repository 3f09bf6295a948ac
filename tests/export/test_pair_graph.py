"""The graph's folds are exact: checked in PyTorch, before any tracing."""

from __future__ import annotations

import pytest
import torch
from export.conftest import Small
from lunar_export.graph.pair_graph import FIRST_CONVOLUTION, PairGraph, normalise
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import FAMILY, Student, build_student
from torch import Tensor


def grey(height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 1, height, width), dtype=torch.uint8, generator=generator)


def first_layer(student: Student, image: Tensor) -> Tensor:
    """(B, C, h, w): what the first convolution gives."""
    given: list[Tensor] = []
    layer = student.get_submodule(FIRST_CONVOLUTION[student.config.encoder])
    hook = layer.register_forward_hook(lambda *call: given.append(call[2]))
    with torch.inference_mode():
        student.encode(image)
    hook.remove()
    return given[0]


def test_normalisation_maps_black_and_white_to_minus_one_and_one() -> None:
    image = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2)
    assert torch.equal(normalise(image)[0, :, 0], torch.tensor([[-1.0, 1.0]]).expand(3, 2))


@pytest.mark.parametrize("member", ["S0", "S1", "S2", "S3", "S4"])
def test_the_first_layer_takes_grey_exactly_at_the_borders_too(member: str, small: Small) -> None:
    student = small(member)
    graph = PairGraph(student, 64, 96, "left")
    image = grey(64, 96, 0)
    want = first_layer(student, normalise(image))
    got = first_layer(graph.student, image.float() - 127.5)
    # Sums of up to 768 products of order 1 in float32.
    torch.testing.assert_close(got, want, rtol=0, atol=2e-5)
    border = torch.ones_like(want, dtype=torch.bool)
    border[..., 1:-1, 1:-1] = False
    torch.testing.assert_close(got[border], want[border], rtol=0, atol=2e-5)


@pytest.mark.parametrize("member", FAMILY)
def test_every_member_has_its_first_layer_where_the_fold_looks_for_it(member: str) -> None:
    with torch.device("meta"):
        student = build_student(member)
    layer = student.get_submodule(FIRST_CONVOLUTION[student.config.encoder])
    assert isinstance(layer, torch.nn.Conv2d) and layer.in_channels == 3


def test_a_fold_that_forgets_the_padding_would_be_seen() -> None:
    """Zero padding means grey 127.5; a bias that subtracts it everywhere is off at the border."""
    weight = torch.ones(1, 1, 3, 3)
    image = torch.full((1, 1, 8, 8), 200.0)
    right = torch.conv2d(image - 127.5, weight, padding=1)
    wrong = torch.conv2d(image, weight, padding=1) - 127.5 * weight.sum()
    assert (right - wrong).abs()[..., 1:-1, 1:-1].max() == 0
    assert (right - wrong).abs()[..., 0, :].min() > 100


@pytest.mark.parametrize("member", ["S0", "S1", "S2", "S4"])
@pytest.mark.parametrize("size", [(64, 96), (80, 48)])
def test_the_graph_computes_what_the_student_computes(
    member: str, size: tuple[int, int], small: Small
) -> None:
    student = small(member)
    outputs: OutputSet = "all" if student.config.descriptor_dim else "both"
    graph = PairGraph(student, *size, outputs)
    left, right = grey(*size, 1), grey(*size, 2)
    with torch.inference_mode():
        got = graph(left, right)
        want = student(normalise(left), normalise(right), outputs)
    for name, value in zip(graph.names, got, strict=True):
        other = getattr(want, name)
        # Float32 rounding of some 20 layers, below 1e-4 of the output's scale.
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-4 * float(other.abs().mean()))


def test_the_student_is_not_changed_and_shares_its_weights(small: Small) -> None:
    student = small("S4")
    before = {key: value.clone() for key, value in student.state_dict().items()}
    graph = PairGraph(student, 64, 64, "left")
    after = student.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert graph.student.decoder_embed.weight is student.decoder_embed.weight
