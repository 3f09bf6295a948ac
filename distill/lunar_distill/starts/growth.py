"""A larger network that says at first what a smaller one says: a teacher that need not start anew.

New decoder layers add nothing to the stream, since what they write is zero; they go where the
head's four levels keep reading what they read before. New units of an MLP have zero columns in the
layer that writes. Both learn from the first step on (Chen et al. 2016, Net2Net).
"""

from __future__ import annotations

import dataclasses
import re

import torch
from lunar_runtime.errors import UsageError
from lunar_student import Student, build_student

BLOCK = re.compile(r"(dec_blocks2?)\.(\d+)\.(.*)")
WRITERS = ("attn.proj.", "cross_attn.proj.", "mlp.fc2.")


@torch.no_grad()
def grow(student: Student, depth: int, mlp_ratio: float) -> Student:
    """A network with deeper decoders and wider decoder MLPs, and the same outputs.

    Args:
        student: The smaller one.
        depth: Decoder layers of the larger one.
        mlp_ratio: Hidden width of its decoder MLPs over the decoder's width.

    Raises:
        UsageError: It would be smaller, or the head's levels would read other layers.
    """
    config = student.config
    if depth < config.decoder_depth or mlp_ratio < config.decoder_mlp_ratio:
        raise UsageError(
            f"{config.id} has a decoder of depth {config.decoder_depth} and MLP ratio "
            f"{config.decoder_mlp_ratio:g}; {depth} and {mlp_ratio:g} are not larger"
        )
    name = f"{config.id.split('-')[0]}-{config.decoder_dim}x{depth}"
    larger = build_student(
        dataclasses.replace(config, id=name, decoder_depth=depth, decoder_mlp_ratio=mlp_ratio)
    )
    places = _places(student, larger)
    old = student.state_dict()
    for key, value in larger.state_dict().items():
        m = BLOCK.fullmatch(key)
        if m is None:
            value.copy_(old[key])
        elif int(m[2]) not in places:
            if m[3].startswith(WRITERS):
                value.zero_()
        else:
            source = old[f"{m[1]}.{places[int(m[2])]}.{m[3]}"]
            if m[3] == "mlp.fc2.weight":
                value.zero_()
            value[tuple(slice(0, side) for side in source.shape)] = source
    return larger.eval()


def _places(student: Student, larger: Student) -> dict[int, int]:
    """Layer of the larger decoder -> layer of the smaller one that it takes over."""
    small, large = student.downstream_head1.hooks, larger.downstream_head1.hooks
    places: dict[int, int] = {}
    for a, b, c, d in zip(small, small[1:], large, large[1:], strict=False):
        if d - c < b - a:
            raise UsageError(
                f"a decoder of depth {large[-1]} has no room for the layers {a} to {b} of "
                f"{student.config.id} between its head's levels; choose another depth"
            )
        places |= {c + i: a + i for i in range(b - a)}
    return places
