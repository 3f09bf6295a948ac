"""The member of the family that a set of shapes belongs to."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from lunar_runtime.errors import CheckpointError
from lunar_student import FAMILY, StudentConfig, build_student
from lunar_student.architecture import infer_config


def shapes_of(student: str | StudentConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = build_student(student)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize("name", FAMILY)
def test_every_member_is_recognised_by_its_shapes(name: str) -> None:
    assert infer_config(shapes_of(name), "x.pt") == FAMILY[name]


def test_another_depth_at_a_width_of_the_family_keeps_the_family_s_heads() -> None:
    variant = dataclasses.replace(FAMILY["S2"], id="S2-256x8", decoder_dim=256, decoder_depth=8)
    assert infer_config(shapes_of(variant), "x.pt") == variant


def test_another_mlp_ratio_is_read_from_the_shapes() -> None:
    variant = dataclasses.replace(FAMILY["S1"], id="S1-512x6", decoder_mlp_ratio=4.0)
    assert infer_config(shapes_of(variant), "x.pt") == variant


def test_a_width_outside_the_family_needs_its_heads_told() -> None:
    variant = dataclasses.replace(FAMILY["S4"], id="S4-384x6", decoder_dim=384, decoder_heads=6)
    shapes = shapes_of(variant)
    with pytest.raises(CheckpointError) as caught:
        infer_config(shapes, "x.pt")
    assert str(caught.value) == (
        "x.pt: a decoder of width 384 is not in the family, and no shape tells its number of "
        "heads; load it with load_checkpoint(path, decoder_heads=…)"
    )
    assert infer_config(shapes, "x.pt", decoder_heads=6) == variant


def test_a_student_s_width_does_not_count_for_the_teacher() -> None:
    variant = dataclasses.replace(FAMILY["teacher"], decoder_dim=512, decoder_heads=8)
    with pytest.raises(CheckpointError, match="width 512 is not in the family"):
        infer_config(shapes_of(variant), "x.pt")


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(CheckpointError, match="5 heads do not divide a decoder of width 512"):
        infer_config(shapes_of("S2"), "x.pt", decoder_heads=5)


def test_a_foreign_network_is_refused_with_its_first_keys() -> None:
    with pytest.raises(CheckpointError) as caught:
        infer_config({"conv1.weight": (64, 3, 7, 7), "bn1.weight": (64,)}, "resnet.pt")
    assert str(caught.value) == (
        "resnet.pt: not a network of this family (S0, S1, S2, S3, S4, teacher): it has none of "
        "their encoders; its keys begin conv1.weight, bn1.weight"
    )


def test_a_foreign_encoder_size_is_refused_with_its_shape() -> None:
    shapes = shapes_of("S2")
    shapes["tiny_vit.vit.patch_embed.proj.weight"] = (768, 3, 14, 14)
    with pytest.raises(CheckpointError, match=r"has shape \(768, 3, 14, 14\), which no encoder"):
        infer_config(shapes, "vitb.pt")


def test_a_missing_decoder_is_refused() -> None:
    shapes = {k: s for k, s in shapes_of("S2").items() if not k.startswith("dec")}
    with pytest.raises(CheckpointError, match=r"decoder_embed\.weight is missing"):
        infer_config(shapes, "encoder.pt")
