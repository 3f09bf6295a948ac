"""A student's encoder from a pretrained one: DINOv2, ViT-Ti or MobileNetV3 with timm's names."""

from __future__ import annotations

import os

from lunar_runtime.errors import CheckpointError
from lunar_student import Student, read_state_dict


def load_encoder(student: Student, path: str | os.PathLike[str]) -> None:
    """Fill an encoder, but for its adapter; a classifier in the file is ignored.

    Args:
        student: Of the ViT or MobileNet kinds.
        path: A state dict with timm's names, or a student's own checkpoint.

    Raises:
        CheckpointError: It lacks a tensor of the encoder, or has it in another shape.
    """
    weights = read_state_dict(path)
    encoder = student.tiny_vit.vit if hasattr(student, "tiny_vit") else student.tiny_enc.backbone
    prefix = "tiny_vit.vit." if hasattr(student, "tiny_vit") else "tiny_enc.backbone."
    own = encoder.state_dict()
    for key in own:
        value = weights.get(prefix + key, weights.get(key))
        if value is None or value.shape != own[key].shape:
            found = "is missing" if value is None else f"has shape {tuple(value.shape)}"
            raise CheckpointError(
                f"{path}: {key} {found}, {tuple(own[key].shape)} is what {student.config.id}'s "
                "encoder needs; give weights of that very encoder, with timm's names"
            )
        own[key].copy_(value)
