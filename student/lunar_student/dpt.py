"""The dense prediction head (Ranftl et al. 2021): tokens of four depths to one value per pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lunar_student.config import StudentConfig
from lunar_student.convnet import STEM_CHANNELS
from lunar_student.transformer import Mlp

OUTPUT_CHANNELS = 4  # x, y, z and confidence, before their activations


def upsample(x: Tensor) -> Tensor:
    """Bilinear ×2, corners aligned."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


class ResidualUnit(nn.Module):
    """Pre-activation residual unit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))  # type: ignore[no-any-return]


class Fusion(nn.Module):
    """Add a finer level to the path from the coarser ones and double its resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(channels, channels, 1)
        self.resConfUnit1 = ResidualUnit(channels)  # unused by the deepest block
        self.resConfUnit2 = ResidualUnit(channels)

    def forward(self, path: Tensor, level: Tensor | None = None) -> Tensor:
        """(B, C, h, w) twice -> (B, C, 2h, 2w)."""
        if level is not None:
            path = path + self.resConfUnit1(level)
        # A 1×1 convolution commutes with bilinear upsampling; before it, it costs a quarter.
        return upsample(self.out_conv(self.resConfUnit2(path)))


class Scratch(nn.Module):
    """The part of the head that no pretrained network brought, hence the official name."""

    def __init__(self, layer_dims: Sequence[int], channels: int) -> None:
        super().__init__()
        rn = [nn.Conv2d(dim, channels, 3, 1, 1, bias=False) for dim in layer_dims]
        self.layer1_rn, self.layer2_rn, self.layer3_rn, self.layer4_rn = rn
        self.layer_rn = nn.ModuleList(
            rn
        )  # the same four, under the second name they are saved with
        self.refinenet1 = Fusion(channels)
        self.refinenet2 = Fusion(channels)
        self.refinenet3 = Fusion(channels)
        self.refinenet4 = Fusion(channels)


class DptHead(nn.Module):
    """Four token maps -> (B, 4, H, W)."""

    def __init__(self, config: StudentConfig) -> None:
        super().__init__()
        channels = config.head_feature_dim
        d1, d2, d3, d4 = config.head_layer_dims
        h1, h2 = config.head_dims
        enc, dec = config.encoder_dim, config.decoder_dim
        self.scratch = Scratch(config.head_layer_dims, channels)
        self.head = nn.Sequential(
            nn.Conv2d(channels, h1, 3, 1, 1),
            nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=True),
            nn.Conv2d(h1, h2, 3, 1, 1),
            nn.ReLU(),
            nn.Conv2d(h2, OUTPUT_CHANNELS, 1),
        )
        self.act_postprocess = nn.ModuleList(
            (
                nn.Sequential(nn.Conv2d(enc, d1, 1), nn.ConvTranspose2d(d1, d1, 4, 4)),
                nn.Sequential(nn.Conv2d(dec, d2, 1), nn.ConvTranspose2d(d2, d2, 2, 2)),
                nn.Sequential(nn.Conv2d(dec, d3, 1)),
                nn.Sequential(nn.Conv2d(dec, d4, 1), nn.Conv2d(d4, d4, 3, 2, 1)),
            )
        )
        if config.stem_skips:
            c2, c4, c8 = STEM_CHANNELS
            self.skips = nn.ModuleList(
                (nn.Conv2d(c2, channels, 1), nn.Conv2d(c4, channels, 1), nn.Conv2d(c8, channels, 1))
            )
            # Whether a bright slope rises or falls depends on where the sun stands, which only the
            # whole image tells: the mean tokens set the gain of every fine feature.
            self.gains = Mlp(enc + dec, dec, sum(STEM_CHANNELS))

    def gated_skips(self, maps: Sequence[Tensor], skips: Sequence[Tensor]) -> list[Tensor]:
        """Encoder features at stride 2, 4 and 8, each channel times the gain of this image."""
        whole = torch.cat((maps[0].mean((2, 3)), maps[-1].mean((2, 3))), dim=1)  # (B, enc + dec)
        gains = 1.0 + self.gains(whole)  # (B, 32 + 64 + 128)
        parts = gains[:, :, None, None].split(STEM_CHANNELS, dim=1)
        return [conv(x * gain) for conv, x, gain in zip(self.skips, skips, parts, strict=True)]

    def forward(self, maps: Sequence[Tensor], skips: Sequence[Tensor] = ()) -> Tensor:
        """Fuse the maps, deepest first.

        Args:
            maps: (B, C, H/16, W/16) of the encoder and three decoder depths, shallow first.
            skips: Encoder features at stride 2, 4 and 8, of the students that have them.
        """
        levels = [
            rn(reassemble(x))
            for rn, reassemble, x in zip(
                self.scratch.layer_rn, self.act_postprocess, maps, strict=True
            )
        ]  # (B, C, H/4, W/4), (B, C, H/8, W/8), (B, C, H/16, W/16), (B, C, ⌈H/32⌉, ⌈W/32⌉)
        if skips:
            half, quarter, eighth = self.gated_skips(maps, skips)
            levels[0] = levels[0] + quarter
            levels[1] = levels[1] + eighth
        path = self.scratch.refinenet4(levels[3])
        path = path[..., : levels[2].shape[-2], : levels[2].shape[-1]]
        path = self.scratch.refinenet3(path, levels[2])
        path = self.scratch.refinenet2(path, levels[1])
        path = self.scratch.refinenet1(path, levels[0])  # (B, C, H/2, W/2)
        if skips:
            path = path + half
        *body, last = self.head
        for layer in body:
            path = layer(path)
        return _in_full_precision(last, path)


def _in_full_precision(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer in float32, also under autocast.

    From orbit the relief is a hundredth of the distance, and bfloat16 resolves 1 in 256.
    """
    if not torch.is_autocast_enabled(x.device.type):
        return layer(x)  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())  # type: ignore[no-any-return]
