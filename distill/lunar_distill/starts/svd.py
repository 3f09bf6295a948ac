"""The published start of a student's decoder and heads: a truncated SVD of its teacher's.

Student layer i takes teacher layer ⌊i·T/S⌋. A matrix of another shape is the product of the
leading singular triplets, of which the leading rows and columns are kept (convolutions as matrices
of output channels by everything else); a vector keeps its leading entries; what has the same shape
is copied. `lunar_distill.starts.stream` starts better when the decoder's width itself shrinks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lunar_runtime.errors import UsageError
from lunar_student import Student
from torch import Tensor

SHARED = ("decoder_embed.", "dec_norm.", "mask_token")
LAYERS = re.compile(r"(dec_blocks2?)\.(\d+)\.(.*)")


@dataclass(frozen=True)
class Started:
    """Which of a student's tensors come from the teacher.

    Attributes:
        taken: Keys that do.
        left: Decoder and head keys that keep their random weights: no counterpart, or a wider one.
    """

    taken: tuple[str, ...]
    left: tuple[str, ...]


def layer_map(student_depth: int, teacher_depth: int) -> list[int]:
    """The teacher layer that each student layer starts from: ⌊i·T/S⌋."""
    return [i * teacher_depth // student_depth for i in range(student_depth)]


def truncated(weight: Tensor, rank: int) -> Tensor:
    """The matrix of at most this rank that is nearest to `weight`, by its SVD."""
    U, strength, Vt = torch.linalg.svd(weight, full_matrices=False)
    product: Tensor = (U[:, :rank] * strength[:rank]) @ Vt[:rank]
    return product


def shrink(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor brought to a smaller shape as published; the same tensor where shapes agree."""
    if tuple(weight.shape) == tuple(shape):
        return weight.clone()
    if weight.ndim == 1:
        return weight[: shape[0]].clone()
    matrix = weight.flatten(1)
    rows, columns = shape[0], int(torch.Size(shape[1:]).numel())
    product = truncated(matrix, min(rows, columns))
    # Channels, not single columns, are what a convolution's input shrinks by.
    block = product.view(weight.shape)[tuple(slice(0, side) for side in shape)]
    return block.clone()


def counterpart(key: str, layers: Sequence[int]) -> str | None:
    """The teacher's key for a student's decoder or head key; None for every other part."""
    if m := LAYERS.fullmatch(key):
        return f"{m[1]}.{layers[int(m[2])]}.{m[3]}"
    if key.startswith((*SHARED, "downstream_head")):
        return key
    return None


@torch.no_grad()
def start_published(student: Student, teacher: Student) -> Started:
    """Fill a student's decoder and heads from a teacher's, in place.

    Raises:
        UsageError: The student's decoder is wider or deeper than the teacher's.
    """
    refuse_larger(student, teacher)
    layers = layer_map(student.config.decoder_depth, teacher.config.decoder_depth)
    theirs = teacher.state_dict()
    taken, left = [], []
    for key, own in student.state_dict().items():
        other = counterpart(key, layers)
        if other is None:
            continue
        source = theirs.get(other)
        if source is None or source.ndim != own.ndim or _larger(own, source):
            left.append(key)
            continue
        own.copy_(shrink(source.float(), own.shape))
        taken.append(key)
    return Started(tuple(taken), tuple(left))


def refuse_larger(student: Student, teacher: Student) -> None:
    """A start from the teacher needs a decoder that is at least as wide and deep.

    Raises:
        UsageError: It is not.
    """
    for name in ("decoder_dim", "decoder_depth"):
        own, other = getattr(student.config, name), getattr(teacher.config, name)
        if own > other:
            raise UsageError(
                f"{student.config.id} has {name} {own}, its teacher {other}: no SVD start makes a "
                "network larger; use --start random"
            )


def _larger(own: Tensor, source: Tensor) -> bool:
    return any(a > b for a, b in zip(own.shape, source.shape, strict=True))
