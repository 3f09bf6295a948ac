"""Smaller linear layers that say nearly what the larger ones said, on the inputs that occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lunar_distill.starts.stream_statistics import Moments

RIDGE = 1e-6  # of the mean variance: keeps inputs that never vary from being divided by


class Affine(NamedTuple):
    """x -> weight x + bias."""

    weight: Tensor
    bias: Tensor


def importance(layer: Affine, inputs: Moments) -> Tensor:
    """How much of the output's variance each input carries, by itself; (D,)."""
    return layer.weight.square().sum(0) * inputs.covariance.diagonal()


def keep_inputs(layer: Affine, inputs: Moments, kept: Tensor) -> Affine:
    """The least-squares version that reads these inputs only.

    Args:
        layer: (out, D).
        inputs: What it reads.
        kept: (k,) int64 inputs that remain.
    """
    if len(kept) == layer.weight.shape[1]:
        return Affine(layer.weight[:, kept], layer.bias)
    covariance = inputs.covariance.double()
    inside = covariance[kept][:, kept]
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(1e-12)
    inside = inside + ridge * torch.eye(len(kept), dtype=inside.dtype, device=inside.device)
    towards = layer.weight.double() @ covariance[:, kept]  # (out, k)
    weight = torch.linalg.solve(inside, towards.T).T.float()
    bias = layer.bias + layer.weight @ inputs.mean - weight @ inputs.mean[kept]
    return Affine(weight, bias)


def shorten(writer: Tensor, reader: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Two matrices whose product is the best of this rank to `writer @ reader`.

    Args:
        writer: (out, d).
        reader: (d, in).
        rank: New inner width, at most d.

    Returns:
        (out, rank) and (rank, in), of equal magnitude.
    """
    U, strength, Vt = torch.linalg.svd(writer @ reader, full_matrices=False)
    root = strength[:rank].sqrt()
    return U[:, :rank] * root, root[:, None] * Vt[:rank]


def truncated(weight: Tensor, rank: int) -> Tensor:
    """The matrix of at most this rank that is nearest to `weight`, by its SVD."""
    U, strength, Vt = torch.linalg.svd(weight, full_matrices=False)
    product: Tensor = (U[:, :rank] * strength[:rank]) @ Vt[:rank]
    return product


def shrink(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """A tensor brought to a smaller shape as published; the same tensor where shapes agree."""
    if tuple(weight.shape) == tuple(shape):
        return weight.clone()
    if weight.ndim == 1:
        return weight[: shape[0]].clone()
    matrix = weight.flatten(1)
    rows, columns = shape[0], int(torch.Size(shape[1:]).numel())
    product = truncated(matrix, min(rows, columns))
    # Channels, not single columns, are what a convolution's input shrinks by.
    block = product.view(weight.shape)[tuple(slice(0, side) for side in shape)]
    return block.clone()


def rotary_map(own_dim: int, other_dim: int, swapped: bool) -> Tensor:
    """Which channel of another head turns at the rate of each of ours; -1 where none is left.

    A head is (first axis: cosines, sines; second axis: the same), each quarter with frequencies
    100^(-i / quarter). Rates agree exactly where one head is a multiple of the other.

    Args:
        own_dim: Channels of our head, a multiple of 4.
        other_dim: Channels of the other, a multiple of 4.
        swapped: Whether the two order the image axes differently.

    Returns:
        (own_dim,) int64.
    """
    own, other = own_dim // 4, other_dim // 4
    partner = torch.full((own,), -1)
    distance = (torch.arange(own)[:, None] / own - torch.arange(other)[None] / other).abs()
    for _ in range(min(own, other)):
        i, j = divmod(int(distance.argmin()), other)
        partner[i] = j
        distance[i], distance[:, j] = torch.inf, torch.inf
    rows = []
    for axis in (1, 0) if swapped else (0, 1):
        for part in (0, 1):
            offset = (2 * axis + part) * other
            rows.append(torch.where(partner >= 0, partner + offset, -1))
    return torch.cat(rows)
