"""The encoders as the decoder sees them: an image in, a grid of tokens out."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from lunar_student.config import EncoderKind, StudentConfig
from lunar_student.convnet import TOP_CHANNELS, ConvEncoder
from lunar_student.mobilenet import STRIDE_16_CHANNELS, MobileNetV3Large
from lunar_student.vit import VisionTransformer


class Encoded(NamedTuple):
    """Tokens (B, dim, h, w) and, where the head wants them, finer features, stride 2 first."""

    tokens: Tensor
    skips: tuple[Tensor, ...] = ()


def adapter(inputs: int, outputs: int) -> nn.Sequential:
    """Bring an encoder's channels to the width that the decoder was trained for."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.GroupNorm(1, outputs))


class TinyVit(nn.Module):
    """A plain vision transformer, its tokens on the decoder's grid."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        if config.encoder is EncoderKind.DINOV2_SMALL:
            self.vit = VisionTransformer(14, 37, 384, 12, 6, layer_scale=True)
            dim = 384
        else:
            self.vit = VisionTransformer(16, 32, 192, 12, 3, layer_scale=False)
            dim = 192
        self.adapter = adapter(dim, config.encoder_dim)
        self.stride = config.token_stride
        self.resize = config.resize_tokens

    def forward(self, image: Tensor) -> Encoded:
        """(B, 3, H, W) -> tokens (B, dim, H/16, W/16)."""
        x = self.adapter(self.vit(image))
        grid = (image.shape[-2] // self.stride, image.shape[-1] // self.stride)
        if self.resize and tuple(x.shape[-2:]) != grid:
            x = F.interpolate(x, grid, mode="bilinear", align_corners=False)
        return Encoded(x)


class TinyConv(nn.Module):
    """A convolutional encoder: MobileNetV3-Large, or S0's own with its finer features."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        own = config.encoder is EncoderKind.CONV
        self.backbone: nn.Module = ConvEncoder() if own else MobileNetV3Large()
        self.adapter = adapter(TOP_CHANNELS if own else STRIDE_16_CHANNELS, config.encoder_dim)
        self.own = own

    def forward(self, image: Tensor) -> Encoded:
        """(B, 3, H, W) -> tokens (B, dim, H/16, W/16), S0's finer features beside them."""
        if self.own:
            *skips, top = self.backbone(image)
            return Encoded(self.adapter(top), tuple(skips))
        return Encoded(self.adapter(self.backbone(image)))
