"""S0's encoder: a small residual convolutional network that learns from scratch.

A self-trained student has no pretrained encoder to lean on; convolutions learn the shading and
texture of relief from far fewer pairs than a transformer does. Its finer features also feed the
head, so that craters smaller than a token survive.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STEM_CHANNELS = (32, 64, 128)  # at stride 2, 4, 8
TOP_CHANNELS = 192  # at stride 16


class Residual(nn.Module):
    """Two 3×3 convolutions around which the input passes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


class Down(nn.Module):
    """A 3×3 convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/2, w/2)."""
        return F.relu(self.bn(self.conv(x)))


class ConvEncoder(nn.Module):
    """Features at stride 2, 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        c2, c4, c8 = STEM_CHANNELS
        self.stages = nn.ModuleList(
            (
                nn.Sequential(Down(3, c2), Residual(c2)),
                nn.Sequential(Down(c2, c4), Residual(c4)),
                nn.Sequential(Down(c4, c8), Residual(c8), Residual(c8)),
                nn.Sequential(
                    Down(c8, TOP_CHANNELS), Residual(TOP_CHANNELS), Residual(TOP_CHANNELS)
                ),
            )
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> features (B, C, H/s, W/s) at strides s = 2, 4, 8, 16."""
        features = []
        x = image
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)
