"""A start of the decoder that survives a narrower residual stream.

All layers of a decoder talk through one residual stream. To keep each matrix's leading rows and
columns, as the published start does, keeps channels of the stream that nobody chose, and the layers
no longer speak the same language. Here the stream is written in the orthonormal basis B of its
strongest directions on calibration pairs: who reads it reads W B, who writes it writes Bᵀ W, and
what one layer says another still understands.

LayerNorm is not linear, but nearly turns with the stream (Ashkboos et al. 2024, SliceGPT): its
gain and shift go into the matrices that read it; what remains removes the mean and divides by the
length. The basis has no mean; one channel of the student is given up so that the student's stream
has none either, and one number a LayerNorm makes up for the length that B leaves out.

Inside an attention the student's heads are the teacher's most telling ones, and inside an MLP its
units are; the matrix that writes is refitted by least squares. Rotary channels go where the rate of
turning is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from lunar_student import Student
from torch import Tensor

from lunar_distill.data.batch import Batch
from lunar_distill.starts.smaller_layers import shrink
from lunar_distill.starts.stream_basis import find_basis
from lunar_distill.starts.stream_statistics import collect_statistics
from lunar_distill.starts.stream_writer import StreamWriter
from lunar_distill.starts.teacher_layers import Started, counterpart, layer_map, refuse_larger


@dataclass(frozen=True)
class StartedInStream(Started):
    """Which layers and tensors come from the teacher, and in what basis.

    Attributes:
        tokens: (E_student, E_teacher): what the student's encoder should say, for the decoder to
            understand it as it did the teacher's.
        kept: Share of the stream's energy inside the basis.
    """

    tokens: Tensor
    kept: float


@torch.no_grad()
def start_in_stream(
    student: Student, teacher: Student, calibration: Iterable[Batch]
) -> StartedInStream:
    """Fill a student's decoder and heads from a teacher's, in place.

    Args:
        student: What is filled.
        teacher: In evaluation mode; both on the CPU.
        calibration: Pairs that show the teacher's stream.

    Raises:
        UsageError: The student's decoder is wider or deeper than the teacher's.
    """
    refuse_larger(student, teacher)
    layers = layer_map(student.config.decoder_depth, teacher.config.decoder_depth)
    statistics = collect_statistics(teacher, calibration, layers)
    basis = find_basis(statistics, student.config.decoder_dim, student.config.encoder_dim)
    writer = StreamWriter(student, teacher, statistics, basis)
    writer.shared()
    for side in ("dec_blocks", "dec_blocks2"):
        for own, other in enumerate(layers):
            writer.block(f"{side}.{own}", f"{side}.{other}")
    for head in ("downstream_head1", "downstream_head2"):
        writer.head(head)
    theirs = teacher.state_dict()
    rest, left = [], []
    for key, value in student.state_dict().items():
        other_key = counterpart(key, layers)
        if other_key is None or key.rsplit(".", 1)[0] in writer.done:
            continue
        source = theirs.get(other_key)
        if source is None or any(x > y for x, y in zip(value.shape, source.shape, strict=True)):
            left.append(key)
            continue
        value.copy_(shrink(source.float(), value.shape))
        rest.append(key)
    return StartedInStream((*sorted(writer.done), *rest), tuple(left), basis.tokens, basis.kept)
