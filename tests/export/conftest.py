"""Small members of every kind: the real encoders; decoders and heads that trace in seconds.

Tracing is what takes time. A graph is traced once a session and shared: no test may change it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from lunar_export import ExportOptions, export_bundle
from lunar_export.graph.traced import Traced, trace_student
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import FAMILY, Student, StudentConfig, build_student, save_checkpoint
from torch import nn

#: Of most images: neither square nor on the grid of the DINOv2 student's patches.
ROWS, COLUMNS = 64, 96

#: `small("S1")`: the same weights at every call.
Small: TypeAlias = Callable[[str], Student]
#: `traced("S1", "left", 64, 96)`: its graph, the same at every call.
TracedSmall: TypeAlias = Callable[[str, OutputSet, int, int], Traced]


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
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.ndim < 2:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for head in (student.downstream_head1, student.downstream_head2):
            last_layer(head.dpt.head).weight.normal_(0, 0.1, generator=generator)
    return student.eval()


def last_layer(head: nn.Sequential) -> nn.Conv2d:
    """The convolution that gives the pointmap."""
    layer = head[-1]
    assert isinstance(layer, nn.Conv2d)
    return layer


@pytest.fixture(scope="session")
def small() -> Small:
    made: dict[str, Student] = {}

    def make(member: str) -> Student:
        if member not in made:
            torch.manual_seed(1)
            made[member] = lively(build_student(small_config(member)))
        return made[member]

    return make


@pytest.fixture(scope="session")
def traced(small: Small, tmp_path_factory: pytest.TempPathFactory) -> TracedSmall:
    made: dict[tuple[str, OutputSet, int, int], Traced] = {}

    def trace(member: str, outputs: OutputSet, height: int, width: int) -> Traced:
        key = member, outputs, height, width
        if key not in made:
            work = tmp_path_factory.mktemp("traced")
            made[key] = trace_student(small(member), outputs, height, width, work)
        return made[key]

    return trace


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with S0 itself. Untrained, it would give the same plane whatever it sees."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "s0.safetensors"
    save_checkpoint(lively(build_student("S0")), path)
    return path


@pytest.fixture(scope="session")
def everything(
    small: Small, traced: TracedSmall, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """All outputs of the DINOv2 student."""
    return export_bundle(
        small("S2"),
        tmp_path_factory.mktemp("all") / "bundle",
        ExportOptions("all", ROWS, COLUMNS),
        traced=traced("S2", "all", ROWS, COLUMNS),
    )
