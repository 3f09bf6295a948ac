"""Features of a student's encoder against its teacher's, at intermediate layers.

A student's feature map goes through a linear projector of its own to the teacher's channels; the
teacher's is resized to the student's grid. Tokens whose cosine has reached the margin are left
alone (as in Depth Anything V2, Yang et al. 2024): the rest of the capacity is the student's own.

The last of the layers is what the decoder reads. A decoder that starts from the teacher's speaks
the teacher's language, so the projector of that layer starts as the identity, or as the basis in
which the decoder was started, and not at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from lunar_student import Student
from lunar_student.config import EncoderKind
from torch import Tensor, nn

ALIGNED_LAYERS = 4
MARGIN = 0.9


def encoder_layers(student: Student) -> list[nn.Module]:
    """Blocks of a transformer, or stages of a convolutional encoder, up to the tokens."""
    kind = student.config.encoder
    if kind is EncoderKind.VIT_LARGE:
        return list(student.enc_blocks)
    if kind in (EncoderKind.VIT_TINY, EncoderKind.DINOV2_SMALL):
        return list(student.tiny_vit.vit.blocks)
    if kind is EncoderKind.CONV:
        return list(student.tiny_enc.backbone.stages)  # type: ignore[arg-type]
    return list(student.tiny_enc.backbone.blocks)[1:5]  # type: ignore[arg-type]


def spread_layers(depth: int, count: int) -> list[int]:
    """`count` of `depth` layers at equal distances, the last one among them."""
    return [(k + 1) * depth // count - 1 for k in range(count)]


def aligned_layers(student: Student, count: int = ALIGNED_LAYERS) -> list[nn.Module]:
    """The layers whose outputs are compared: equally spread, then what the decoder reads."""
    layers = encoder_layers(student)
    inner = [layers[i] for i in spread_layers(len(layers), count)[:-1]]
    return [*inner, _last(student)]


def _last(student: Student) -> nn.Module:
    if student.config.encoder is EncoderKind.VIT_LARGE:
        return student.enc_norm
    encoder = student.tiny_vit if hasattr(student, "tiny_vit") else student.tiny_enc
    return encoder.adapter


@contextmanager
def captured(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Yield a list that receives what each of these layers gives, in their order."""
    found: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        found.append(output)

    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def as_maps(features: Sequence[Tensor], student: Student, size: tuple[int, int]) -> list[Tensor]:
    """Captured features as (B, C, h, w), a class token dropped.

    Args:
        features: Token lists (B, N, C) or maps.
        student: Whose they are.
        size: Height and width of the image.
    """
    kind = student.config.encoder
    patch = 14 if kind is EncoderKind.DINOV2_SMALL else 16
    grid = tuple(-(-side // patch) for side in size)
    maps = []
    for x in features:
        if x.ndim == 3:
            x = x[:, x.shape[1] - grid[0] * grid[1] :].transpose(1, 2).reshape(len(x), -1, *grid)
        maps.append(x)
    return maps


class Projectors(nn.ModuleList):
    """One linear map a layer, from a student's channels to its teacher's."""

    def __init__(
        self,
        student_dims: Sequence[int],
        teacher_dims: Sequence[int],
        tokens: Tensor | None = None,
    ) -> None:
        """Make them; `tokens` (E_student, E_teacher) is the last one's start, or the identity."""
        maps = [
            nn.Linear(own, other, bias=False)
            for own, other in zip(student_dims, teacher_dims, strict=True)
        ]
        with torch.no_grad():
            start = torch.eye(student_dims[-1], teacher_dims[-1]) if tokens is None else tokens
            maps[-1].weight.copy_(start.T)
        super().__init__(maps)

    def losses(self, own: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Mean over the layers of `margin_loss`; maps (B, C, h, w) of each."""
        terms = []
        for projector, x, y in zip(self, own, teacher, strict=True):
            if x.shape[-2:] != y.shape[-2:]:
                y = F.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=False)
            terms.append(margin_loss(projector(x.movedim(1, -1)), y.movedim(1, -1)))
        return torch.stack(terms).mean()


def margin_loss(x: Tensor, y: Tensor, margin: float = MARGIN) -> Tensor:
    """Mean of 1 − cos of the vectors (…, C) that are not yet aligned; 0 if all are."""
    cosine = F.cosine_similarity(x.float(), y.float(), dim=-1)
    apart = cosine < margin
    total: Tensor = torch.where(apart, 1.0 - cosine, 0.0).sum()
    return total / apart.sum().clamp_min(1)
