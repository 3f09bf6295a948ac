"""What goes through a teacher's decoder on calibration pairs: moments, collected by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import Student
from torch import Tensor, nn

from lunar_distill.data.batch import Batch

SUBLAYERS = ("norm1", "norm2", "norm3", "norm_y")
WRITERS = ("attn.proj", "cross_attn.proj", "mlp.fc2")
HEAD_MLPS = ("frame", "dpt.gains", "head_local_features")


@dataclass
class Moments:
    """Running sums of vectors of width D.

    Attributes:
        count: Vectors seen.
        total: (D,) their sum.
        square: (D, D) sum of their outer products.
    """

    count: int = 0
    total: Tensor = field(default_factory=lambda: torch.zeros(()))
    square: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, x: Tensor) -> None:
        """Count the vectors (…, D)."""
        x = x.float().flatten(0, -2)
        self.count += len(x)
        self.total = self.total + x.sum(0)
        self.square = self.square + x.T @ x

    @property
    def mean(self) -> Tensor:
        """(D,)."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """(D, D), about the mean."""
        return self.square / self.count - torch.outer(self.mean, self.mean)


@dataclass
class StreamStatistics:
    """Of one teacher.

    Attributes:
        tokens: Of the encoder's tokens.
        directions: LayerNorm's name -> second moment (D, D) of the stream that it reads, each
            token without its mean and of unit length, which is all that a LayerNorm passes on.
        stream: Their mean over all LayerNorms of the decoder.
        inner: Name of a linear layer that writes -> moments of what it reads.
        levels: Name of a head's convolution on raw stream -> mean over channels of that stream.
    """

    tokens: Moments
    directions: dict[str, Tensor]
    stream: Tensor
    inner: dict[str, Moments]
    levels: dict[str, float]


@torch.no_grad()
def collect_statistics(
    teacher: Student, batches: Iterable[Batch], layers: Iterable[int]
) -> StreamStatistics:
    """Run calibration pairs through a teacher.

    Args:
        teacher: In evaluation mode.
        batches: The pairs.
        layers: Decoder layers whose own statistics are needed.
    """
    modules = dict(teacher.named_modules())
    chosen = [f"{side}.{i}" for side in ("dec_blocks", "dec_blocks2") for i in sorted(set(layers))]
    tokens = Moments()
    norms: dict[str, Moments] = {}
    inner: dict[str, Moments] = {}
    levels: dict[str, list[float]] = {}
    handles = [modules["decoder_embed"].register_forward_pre_hook(_adding(tokens))]

    def watch(name: str, store: dict[str, Moments], change: Callable[[Tensor], Tensor]) -> None:
        store[name] = Moments()
        handles.append(modules[name].register_forward_pre_hook(_adding(store[name], change)))

    for name in modules:
        if (name.startswith("dec_blocks") and name.endswith(SUBLAYERS)) or name == "dec_norm":
            watch(name, norms, _direction)
    for name in (f"{block}.{part}" for block in chosen for part in WRITERS):
        watch(name, inner, _same)
    for head in ("downstream_head1", "downstream_head2"):
        for part in (f"{head}.{mlp}.fc2" for mlp in HEAD_MLPS if f"{head}.{mlp}" in modules):
            watch(part, inner, _same)
        for level in (1, 2):
            name = f"{head}.dpt.act_postprocess.{level}.0"
            levels[name] = []
            handles.append(modules[name].register_forward_pre_hook(_levelling(levels[name])))
    outputs: OutputSet = "all" if teacher.config.descriptor_dim else "both"
    try:
        for batch in batches:
            teacher(*batch.views(), outputs)
    finally:
        for handle in handles:
            handle.remove()
    moments = {name: found.square / found.count for name, found in norms.items()}
    return StreamStatistics(
        tokens,
        moments,
        torch.stack(list(moments.values())).mean(0),
        inner,
        {name: sum(values) / len(values) for name, values in levels.items()},
    )


def _same(x: Tensor) -> Tensor:
    return x


def _direction(x: Tensor) -> Tensor:
    return nn.functional.normalize(x.float() - x.float().mean(-1, keepdim=True), dim=-1)


def _adding(moments: Moments, change: Callable[[Tensor], Tensor] = _same) -> Callable[..., None]:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        moments.add(change(inputs[0]))

    return hook


def _levelling(values: list[float]) -> Callable[..., None]:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        values.append(float(inputs[0].float().mean()))

    return hook
