"""Small members of every kind: the real encoders; decoders and heads that trace in seconds."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from lunar_student import FAMILY, Student, StudentConfig, build_student, save_checkpoint
from torch import nn


def small_config(member: str) -> StudentConfig:
    return dataclasses.replace(
        FAMILY[member],
        id=f"small-{member}",
        encoder_dim=64,
        decoder_dim=64,
        decoder_depth=2,
        decoder_heads=2,
        head_feature_dim=16,
        head_layer_dims=(8, 16, 16, 16),
        head_dims=(16, 8),
        descriptor_dim=0 if member == "S0" else 3,
    )


def lively(student: Student, seed: int = 0) -> Student:
    """Random everywhere, also where training starts from zeros, ones and empty statistics."""
    generator = torch.Generator().manual_seed(seed)
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.ndim < 2:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
        for head in (student.downstream_head1, student.downstream_head2):
            head.dpt.head[-1].weight.normal_(0, 0.1, generator=generator)
    return student.eval()


@pytest.fixture(scope="session")
def small():
    """`small("S1")`: the same weights at every call."""
    made: dict[str, Student] = {}

    def make(member: str) -> Student:
        if member not in made:
            torch.manual_seed(1)
            made[member] = lively(build_student(small_config(member)))
        return made[member]

    return make


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A file with S0 itself. Untrained, it would give the same plane whatever it sees."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "s0.safetensors"
    save_checkpoint(lively(build_student("S0")), path)
    return path
