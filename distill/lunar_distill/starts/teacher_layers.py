"""Which of a teacher's layers a student's decoder and heads start from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lunar_runtime.errors import UsageError
from lunar_student import Student

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


def counterpart(key: str, layers: Sequence[int]) -> str | None:
    """The teacher's key for a student's decoder or head key; None for every other part."""
    if m := LAYERS.fullmatch(key):
        return f"{m[1]}.{layers[int(m[2])]}.{m[3]}"
    if key.startswith((*SHARED, "downstream_head")):
        return key
    return None


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
                "network larger; use a random start"
            )
