"""The published start of a student's decoder and heads: a truncated SVD of its teacher's.

Student layer i takes teacher layer ⌊i·T/S⌋. A matrix of another shape is the product of the
leading singular triplets, of which the leading rows and columns are kept (convolutions as matrices
of output channels by everything else); a vector keeps its leading entries; what has the same shape
is copied. `stream_start` starts better when the decoder's width shrinks.
"""

from __future__ import annotations

import torch
from lunar_student import Student
from torch import Tensor

from lunar_distill.starts.smaller_layers import shrink
from lunar_distill.starts.teacher_layers import Started, counterpart, layer_map, refuse_larger


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


def _larger(own: Tensor, source: Tensor) -> bool:
    return any(a > b for a, b in zip(own.shape, source.shape, strict=True))
