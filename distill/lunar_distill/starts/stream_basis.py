"""The basis in which a narrower student carries its teacher's residual stream.

The orthonormal basis B holds the strongest directions of the stream on calibration pairs. It has
no mean, because a LayerNorm removes the mean. One channel of the student is given up so that the
student's stream has none either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_distill.starts.stream_statistics import StreamStatistics


@dataclass(frozen=True)
class Basis:
    """How a student's vectors follow from its teacher's.

    Attributes:
        stream: (D_student, D_teacher), orthonormal rows up to one dimension; None where the widths
            agree and the stream is left as it is.
        tokens: (E_student, E_teacher): encoder tokens.
        kept: Share of the stream's energy inside the basis.
    """

    stream: Tensor | None
    tokens: Tensor
    kept: float


def find_basis(statistics: StreamStatistics, decoder_dim: int, encoder_dim: int) -> Basis:
    """The strongest directions of a teacher's stream and tokens, for a student's widths."""
    moment = statistics.stream
    tokens = _token_basis(statistics.tokens.square, encoder_dim)
    if decoder_dim == len(moment):
        return Basis(None, tokens, 1.0)
    strength, vectors = torch.linalg.eigh(moment.double())
    strongest = vectors[:, -(decoder_dim - 1) :]  # (D_t, D_s - 1), without a mean
    spread = _without_mean(decoder_dim)  # (D_s, D_s - 1)
    kept = float(strength[-(decoder_dim - 1) :].sum() / strength.sum())
    return Basis((spread @ strongest.T).float(), tokens, kept)


def _token_basis(moment: Tensor, width: int) -> Tensor:
    own = len(moment)
    if width >= own:
        return torch.eye(width, own)
    vectors = torch.linalg.eigh(moment.double()).eigenvectors
    strongest: Tensor = vectors[:, -width:].T.flip(0)
    return strongest.float()


def _without_mean(width: int) -> Tensor:
    """(width, width - 1) orthonormal columns, each with mean zero."""
    start = torch.eye(width, dtype=torch.float64)
    start[:, 0] = 1.0
    basis: Tensor = torch.linalg.qr(start).Q
    return basis[:, 1:]
