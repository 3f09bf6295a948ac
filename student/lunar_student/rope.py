"""Rotary position embedding in two dimensions (RoPE-2D), as constants of the image size.

Su et al. 2021 (arXiv 2104.09864) turn each pair of channels of a query or key by an angle that
grows with its position, so that a dot product depends on the difference of two positions. In two
dimensions the first half of a head's channels turns with one axis and the second half with the
other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lunar_student.config import AxisOrder

BASE = 100.0


def rope_tables(
    rows: int,
    columns: int,
    head_dim: int,
    order: AxisOrder,
    grid: int | None,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every token's angles.

    Args:
        rows: Tokens down the image.
        columns: Tokens across it; tokens are counted row by row.
        head_dim: Channels of one attention head, a multiple of 4.
        order: Whether x or y turns the first half of the head.
        grid: If set, positions are stretched to this many tokens a side.
        device: Where the tables live.

    Returns:
        Two (1, 1, rows·columns, head_dim) float32 tensors.
    """
    y, x = torch.meshgrid(
        _positions(rows, grid, device), _positions(columns, grid, device), indexing="ij"
    )
    axes = (x, y) if order is AxisOrder.XY else (y, x)
    half = head_dim // 2
    frequency = BASE ** (-torch.arange(0, half, 2, device=device, dtype=torch.float32) / half)
    angles = []
    for axis in axes:
        angle = axis.reshape(-1, 1) * frequency  # (N, half / 2)
        angles += [angle, angle]
    table = torch.cat(angles, dim=-1)[None, None]  # (1, 1, N, head_dim)
    return table.cos(), table.sin()


def _positions(count: int, grid: int | None, device: torch.device) -> Tensor:
    positions = torch.arange(count, device=device, dtype=torch.float32)
    return positions if grid is None else positions * (grid / count)


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Turn queries or keys (B, heads, N, head_dim) by their tokens' angles."""
    cos, sin = tables
    a, b, c, d = x.chunk(4, dim=-1)
    return x * cos.to(x.dtype) + torch.cat((-b, a, -d, c), dim=-1) * sin.to(x.dtype)
