"""Which member of the family a set of weights belongs to, read from its keys and shapes alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from lunar_runtime.errors import CheckpointError

from lunar_student.config import FAMILY, EncoderKind, StudentConfig

Shapes = Mapping[str, tuple[int, ...]]

# The first layer of each encoder: no two members share both its name and its shape.
FIRST_LAYERS = {
    ("tiny_enc.backbone.stages.0.0.conv.weight", (32, 3, 3, 3)): EncoderKind.CONV,
    ("tiny_enc.backbone.conv_stem.weight", (16, 3, 3, 3)): EncoderKind.MOBILENETV3,
    ("tiny_vit.vit.patch_embed.proj.weight", (192, 3, 16, 16)): EncoderKind.VIT_TINY,
    ("tiny_vit.vit.patch_embed.proj.weight", (384, 3, 14, 14)): EncoderKind.DINOV2_SMALL,
    ("enc_blocks.0.attn.qkv.weight", (3072, 1024)): EncoderKind.VIT_LARGE,
}

# The published students: one recipe, in which any encoder meets any decoder.
DISTILLED = ("S1", "S2", "S3", "S4")


def infer_config(shapes: Shapes, path: object, decoder_heads: int | None = None) -> StudentConfig:
    """The configuration whose network has these parameters.

    The encoder follows from its first layer, the decoder's width, depth and MLP ratio from its
    shapes. The number of attention heads leaves no trace in them: at a width that the published
    family has with this kind of network (S0 192; students 256 and 512; teacher 768), it is the
    family's (4, 4 and 12); at any other width it must be given.

    Args:
        shapes: Every key with its shape.
        path: Named in the errors.
        decoder_heads: Heads a decoder layer, for a width that the family does not have.

    Raises:
        CheckpointError: Not a network of this family, or one whose heads are unknown.
    """
    encoder = _encoder(shapes, path)
    base = next(config for config in FAMILY.values() if config.encoder is encoder)
    decoder_dim, encoder_dim = _matrix(shapes, "decoder_embed.weight", path)
    hidden, _ = _matrix(shapes, "dec_blocks.0.mlp.fc1.weight", path)
    layers = {int(m[1]) for key in shapes if (m := re.match(r"dec_blocks\.(\d+)\.", key))}
    config = dataclasses.replace(
        base,
        encoder_dim=encoder_dim,
        decoder_dim=decoder_dim,
        decoder_depth=max(layers) + 1,
        decoder_heads=decoder_heads or _family_heads(base, decoder_dim, path),
        decoder_mlp_ratio=hidden / decoder_dim,
    )
    if decoder_dim % (4 * config.decoder_heads):  # RoPE turns each head in four parts
        raise CheckpointError(
            f"{path}: {config.decoder_heads} heads do not divide a decoder of width {decoder_dim} "
            "into multiples of 4; give the decoder_heads it was trained with"
        )
    for member in FAMILY.values():
        if dataclasses.replace(config, id=member.id) == member:
            return member
    name = f"{base.id}-{decoder_dim}x{config.decoder_depth}"
    return dataclasses.replace(config, id=name)


def _encoder(shapes: Shapes, path: object) -> EncoderKind:
    for (key, shape), encoder in FIRST_LAYERS.items():
        if shapes.get(key) == shape:
            return encoder
    for key, _ in FIRST_LAYERS:
        if key in shapes:
            raise CheckpointError(
                f"{path}: {key} has shape {shapes[key]}, which no encoder of the family has; "
                f"the family is {', '.join(FAMILY)}"
            )
    raise CheckpointError(
        f"{path}: not a network of this family ({', '.join(FAMILY)}): it has none of their "
        f"encoders; its keys begin {', '.join(list(shapes)[:3])}"
    )


def _matrix(shapes: Shapes, key: str, path: object) -> tuple[int, int]:
    shape = shapes.get(key)
    if shape is None or len(shape) != 2 or 0 in shape:
        found = "is missing" if shape is None else f"has shape {shape}"
        raise CheckpointError(
            f"{path}: {key} {found}, so the decoder cannot be told; save the whole state dict of "
            "the student again"
        )
    return shape[0], shape[1]


def _family_heads(base: StudentConfig, decoder_dim: int, path: object) -> int:
    recipe = DISTILLED if base.id in DISTILLED else (base.id,)
    for member in (FAMILY[name] for name in recipe):
        if member.decoder_dim == decoder_dim:
            return member.decoder_heads
    raise CheckpointError(
        f"{path}: a decoder of width {decoder_dim} is not in the family, and no shape tells its "
        "number of heads; load it with load_checkpoint(path, decoder_heads=…)"
    )
