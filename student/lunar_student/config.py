"""What distinguishes the members of the family; everything else they share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EncoderKind(str, Enum):
    """The five encoders of the family."""

    CONV = "conv"  # ours: a small residual convolutional network
    MOBILENETV3 = "mobilenetv3_large"
    VIT_TINY = "vit_tiny_patch16"
    DINOV2_SMALL = "dinov2_vits14"
    VIT_LARGE = "vit_large_rope"  # MASt3R's own


class AxisOrder(str, Enum):
    """Which image axis turns the first half of a head in RoPE."""

    XY = "xy"
    YX = "yx"


@dataclass(frozen=True)
class StudentConfig:
    """One member of the family.

    Attributes:
        id: Name in the published table.
        encoder: Encoder applied to both images.
        encoder_dim: Channels of the tokens that leave the encoder (after its adapter).
        decoder_dim: Channels of the decoder's residual streams.
        decoder_depth: Layers in each of the two decoders.
        decoder_heads: Attention heads a decoder layer.
        decoder_mlp_ratio: Hidden width of a decoder MLP over `decoder_dim`.
        axis_order: Order of the token positions in RoPE. The teacher uses (y, x), the published
            students (x, y); the shapes are the same, so nothing but the outputs tells them apart.
        token_stride: Pixels a side of a decoder token.
        resize_tokens: Whether encoder tokens off that grid are resized to it, bilinearly with
            `align_corners=False`, after the adapter. (The published code lacks the module that
            wraps the ViT-S; this is how its siblings do it.)
        head_feature_dim: Channels of the DPT head's fusion blocks.
        head_layer_dims: Channels of its four reassembled levels.
        head_dims: Channels of its two output convolutions.
        descriptor_dim: Channels of a local descriptor; 0 for a student without that head.
        teacher_leftovers: Whether the checkpoint carries the teacher class's first layers, which
            never run in a student.
        rope_grid: If set, token positions are stretched to this many tokens a side, so that one
            set of weights serves several image sizes.
        ray_field: Whether the head predicts the departure from a plane seen by the nominal 45°
            camera, instead of the points from nothing. The mean tokens tell the plane's tilt and
            the frame it is carried to; RoPE is blind to where in the image a token stands, so the
            tokens alone can hardly draw a ramp across it.
        stem_skips: Whether the encoder's stride-2, -4 and -8 features also feed the head, each
            channel times a gain that the mean tokens set for the image.
    """

    id: str
    encoder: EncoderKind
    encoder_dim: int
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int
    decoder_mlp_ratio: float = 1.0
    axis_order: AxisOrder = AxisOrder.XY
    token_stride: int = 16
    resize_tokens: bool = True
    head_feature_dim: int = 256
    head_layer_dims: tuple[int, int, int, int] = (96, 192, 384, 768)
    head_dims: tuple[int, int] = (128, 128)
    descriptor_dim: int = 24
    teacher_leftovers: bool = True
    rope_grid: int | None = None
    ray_field: bool = False
    stem_skips: bool = False


S0 = StudentConfig(
    id="S0",
    encoder=EncoderKind.CONV,
    encoder_dim=192,
    decoder_dim=192,
    decoder_depth=4,
    decoder_heads=4,
    head_feature_dim=48,
    head_layer_dims=(48, 96, 128, 128),
    head_dims=(24, 12),
    descriptor_dim=0,
    teacher_leftovers=False,
    rope_grid=16,
    ray_field=True,
    stem_skips=True,
)
S1 = StudentConfig("S1", EncoderKind.MOBILENETV3, 512, 512, 6, 4)
S2 = StudentConfig("S2", EncoderKind.DINOV2_SMALL, 512, 512, 6, 4)
S3 = StudentConfig("S3", EncoderKind.DINOV2_SMALL, 256, 256, 4, 4)
S4 = StudentConfig("S4", EncoderKind.VIT_TINY, 512, 512, 6, 4)
TEACHER = StudentConfig(
    "teacher", EncoderKind.VIT_LARGE, 1024, 768, 12, 12, 4.0, axis_order=AxisOrder.YX
)

FAMILY = {config.id: config for config in (S0, S1, S2, S3, S4, TEACHER)}
