"""Networks by name: a member of the family, one with another decoder, or a checkpoint."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from lunar_runtime.errors import CheckpointError, UsageError
from lunar_student import FAMILY, Student, StudentConfig, load_checkpoint
from lunar_student.config import EncoderKind

NAME = re.compile(r"(\w+?)-(\d+)x(\d+)")
MODELS = Path(__file__).parents[3] / "models"  # of the source tree


def named_config(name: str) -> StudentConfig:
    """The configuration of "S2", or of "S2-256x4": its decoder 256 wide and 4 deep.

    Raises:
        UsageError: There is none of that name, or its heads do not divide that width.
    """
    if name in FAMILY:
        return FAMILY[name]
    m = NAME.fullmatch(name)
    if m is None or m[1] not in FAMILY:
        raise UsageError(
            f"no student {name!r}; known are {', '.join(FAMILY)}, and each with another decoder, "
            "as in S2-256x4"
        )
    return with_decoder(FAMILY[m[1]], int(m[2]), int(m[3]))


def with_decoder(base: StudentConfig, width: int, depth: int) -> StudentConfig:
    """The same student with a decoder of this width and depth.

    Raises:
        UsageError: Its heads do not divide the width into multiples of 4, which RoPE needs; or it
            is so shallow that the head would read a level before the first layer.
    """
    if depth < 2 or width < 1 or width % (4 * base.decoder_heads):
        raise UsageError(
            f"{base.id} cannot have a decoder {width}x{depth}: its width must be a multiple of "
            f"{4 * base.decoder_heads} (4 times its heads), its depth at least 2"
        )
    name = f"{base.id.split('-')[0]}-{width}x{depth}"
    return dataclasses.replace(base, id=name, decoder_dim=width, decoder_depth=depth)


def with_encoder(base: StudentConfig, kind: EncoderKind) -> StudentConfig:
    """The same student behind another encoder; S0's finer features go with its own encoder."""
    return dataclasses.replace(
        base,
        id=f"{base.id}-{kind.value}",
        encoder=kind,
        stem_skips=base.stem_skips and kind is EncoderKind.CONV,
    )


def load_teacher(name: str) -> Student:
    """A teacher from a checkpoint, or one of the family whose weights are in the source tree.

    Raises:
        CheckpointError: No such file or no weights of that member; or unusable ones.
    """
    if Path(name).exists():
        return load_checkpoint(name)
    if name not in FAMILY:
        raise CheckpointError(
            f"{name}: no such checkpoint, nor a member of the family ({', '.join(FAMILY)})"
        )
    own = MODELS / f"{name.lower()}.safetensors"
    if not own.exists():
        raise CheckpointError(f"no weights of {name} are in {MODELS}; give its checkpoint file")
    return load_checkpoint(own)
