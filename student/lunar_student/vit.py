"""Plain vision transformers: ViT-Ti/16 and DINOv2 ViT-S/14, with timm's parameter names."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lunar_student.transformer import EncoderBlock, layer_norm


class PatchEmbed(nn.Module):
    """One linear map of each patch: a convolution whose stride is its kernel."""

    def __init__(self, patch: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, dim, H/patch, W/patch)."""
        return self.proj(image)  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """ViT with a class token and a learned position embedding (Dosovitskiy et al. 2021)."""

    def __init__(
        self, patch: int, grid: int, dim: int, depth: int, heads: int, layer_scale: bool
    ) -> None:
        super().__init__()
        self.patch = patch
        self.grid = (grid, grid)  # tokens down and across that `pos_embed` is for
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + grid * grid, dim))
        self.patch_embed = PatchEmbed(patch, dim)
        self.blocks = nn.ModuleList(
            EncoderBlock(dim, heads, 4.0, layer_scale) for _ in range(depth)
        )
        self.norm = layer_norm(dim)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, dim, ⌈H/patch⌉, ⌈W/patch⌉); the class token is dropped."""
        bottom, right = (-side % self.patch for side in image.shape[-2:])
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode="replicate")
        x = self.patch_embed(image)  # (B, dim, h, w)
        batch, dim, rows, columns = x.shape
        x = x.flatten(2).transpose(1, 2)  # (B, N, dim)
        x = torch.cat((self.cls_token.expand(batch, -1, -1), x), dim=1)
        x = x + self._position_embedding(rows, columns)  # (B, 1 + N, dim)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)[:, 1:]
        return x.transpose(1, 2).reshape(batch, dim, rows, columns)  # type: ignore[no-any-return]

    def fix_grid(self, rows: int, columns: int) -> None:
        """Resample the position embedding for good, for images of this many patches."""
        with torch.no_grad():
            self.pos_embed = nn.Parameter(self._position_embedding(rows, columns))
        self.grid = (rows, columns)

    def _position_embedding(self, rows: int, columns: int) -> Tensor:
        if (rows, columns) == self.grid:
            return self.pos_embed
        cls, grid = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = grid.transpose(1, 2).reshape(1, -1, *self.grid)
        grid = F.interpolate(grid, (rows, columns), mode="bicubic", antialias=True)
        return torch.cat((cls, grid.flatten(2).transpose(1, 2)), dim=1)
