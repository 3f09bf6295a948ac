"""Attention, MLP and the three transformer blocks of the family.

Pre-norm residual blocks (Vaswani et al. 2017, Dosovitskiy et al. 2021), exact GELU, LayerNorm
eps 1e-6, biases everywhere. Module names are those of the official checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lunar_student.rope import rotate

LAYER_NORM_EPS = 1e-6
Tables = tuple[Tensor, Tensor]


def layer_norm(dim: int) -> nn.LayerNorm:
    """LayerNorm with the family's epsilon."""
    return nn.LayerNorm(dim, eps=LAYER_NORM_EPS)


def _split_heads(x: Tensor, heads: int) -> Tensor:
    batch, tokens, dim = x.shape
    return x.view(batch, tokens, heads, dim // heads).transpose(1, 2)  # (B, heads, N, D)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    x = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, D)
    return x.transpose(1, 2).flatten(2)  # (B, N, heads·D)


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """(…, dim) -> (…, out)."""
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Multi-head self-attention, with RoPE where tables are given."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, tables: Tables | None = None) -> Tensor:
        """(B, N, dim) -> (B, N, dim)."""
        q, k, v = (_split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        if tables is not None:
            q, k = rotate(q, tables), rotate(k, tables)
        return self.proj(_attend(q, k, v))  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Multi-head attention from one view's tokens to the other's, with RoPE on both."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projq = nn.Linear(dim, dim)
        self.projk = nn.Linear(dim, dim)
        self.projv = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, y: Tensor, tables: Tables) -> Tensor:
        """Queries from `x` (B, N, dim), keys and values from `y` (B, N, dim)."""
        q = rotate(_split_heads(self.projq(x), self.heads), tables)
        k = rotate(_split_heads(self.projk(y), self.heads), tables)
        v = _split_heads(self.projv(y), self.heads)
        return self.proj(_attend(q, k, v))  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """A learned gain per channel (Touvron et al. 2021)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, dim) -> (B, N, dim)."""
        return x * self.gamma


class EncoderBlock(nn.Module):
    """Self-attention and MLP; LayerScale in DINOv2, RoPE in the teacher."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float, layer_scale: bool) -> None:
        super().__init__()
        self.norm1 = layer_norm(dim)
        self.attn = Attention(dim, heads)
        self.ls1: nn.Module = LayerScale(dim) if layer_scale else nn.Identity()
        self.norm2 = layer_norm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)
        self.ls2: nn.Module = LayerScale(dim) if layer_scale else nn.Identity()

    def forward(self, x: Tensor, tables: Tables | None = None) -> Tensor:
        """(B, N, dim) -> (B, N, dim)."""
        x = x + self.ls1(self.attn(self.norm1(x), tables))
        return x + self.ls2(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention to the other view, MLP."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = layer_norm(dim)
        self.attn = Attention(dim, heads)
        self.cross_attn = CrossAttention(dim, heads)
        self.norm2 = layer_norm(dim)
        self.norm3 = layer_norm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)
        self.norm_y = layer_norm(dim)

    def forward(self, x: Tensor, y: Tensor, tables: Tables) -> Tensor:
        """(B, N, dim) of this view and of the other -> (B, N, dim) of this view."""
        x = x + self.attn(self.norm1(x), tables)
        x = x + self.cross_attn(self.norm2(x), self.norm_y(y), tables)
        return x + self.mlp(self.norm3(x))  # type: ignore[no-any-return]
