"""MobileNetV3-Large (Howard et al. 2019, table 1), with timm's parameter names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcite(nn.Module):
    """Channel gates from the image's mean features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = _divisible_by_8(channels / 4)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        gate = F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        return x * F.hardsigmoid(self.conv_expand(gate))


class SeparableConv(nn.Module):
    """Depthwise 3×3, then pointwise without activation; the first block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv_pw = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return x + self.bn2(self.conv_pw(F.relu(self.bn1(self.conv_dw(x)))))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Expand, filter each channel, gate, project."""

    def __init__(
        self,
        inputs: int,
        expanded: int,
        outputs: int,
        kernel: int,
        stride: int,
        gated: bool,
        hard_swish: bool,
    ) -> None:
        super().__init__()
        self.conv_pw = nn.Conv2d(inputs, expanded, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(expanded)
        self.conv_dw = nn.Conv2d(
            expanded, expanded, kernel, stride, kernel // 2, groups=expanded, bias=False
        )
        self.bn2 = nn.BatchNorm2d(expanded)
        self.se: nn.Module = SqueezeExcite(expanded) if gated else nn.Identity()
        self.conv_pwl = nn.Conv2d(expanded, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.activation = F.hardswish if hard_swish else F.relu
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/stride, w/stride)."""
        y = self.activation(self.bn1(self.conv_pw(x)))
        y = self.se(self.activation(self.bn2(self.conv_dw(y))))
        y = self.bn3(self.conv_pwl(y))
        return x + y if self.residual else y  # type: ignore[no-any-return]


class ConvBlock(nn.Module):
    """The last, pointwise stage. The students do not read it; their checkpoints hold it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)


# Stages 1-5: (inputs, expanded, outputs, kernel, stride, gated, hard swish) a block.
STAGES = (
    ((16, 64, 24, 3, 2, False, False), (24, 72, 24, 3, 1, False, False)),
    (
        (24, 72, 40, 5, 2, True, False),
        (40, 120, 40, 5, 1, True, False),
        (40, 120, 40, 5, 1, True, False),
    ),
    (
        (40, 240, 80, 3, 2, False, True),
        (80, 200, 80, 3, 1, False, True),
        (80, 184, 80, 3, 1, False, True),
        (80, 184, 80, 3, 1, False, True),
    ),
    ((80, 480, 112, 3, 1, True, True), (112, 672, 112, 3, 1, True, True)),
    (
        (112, 672, 160, 5, 2, True, True),
        (160, 960, 160, 5, 1, True, True),
        (160, 960, 160, 5, 1, True, True),
    ),
)
STRIDE_16_STAGE = 4
STRIDE_16_CHANNELS = 112


class MobileNetV3Large(nn.Module):
    """Features of the last stage with stride 16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        stages: list[nn.Module] = [nn.Sequential(SeparableConv(16))]
        stages += [
            nn.Sequential(*(InvertedResidual(*block) for block in stage)) for stage in STAGES
        ]
        stages.append(nn.Sequential(ConvBlock(160, 960)))
        self.blocks = nn.Sequential(*stages)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 112, H/16, W/16)."""
        x = F.hardswish(self.bn1(self.conv_stem(image)))
        for stage in list(self.blocks)[: STRIDE_16_STAGE + 1]:
            x = stage(x)
        return x


def _divisible_by_8(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
