"""Descriptors: the student must match the pixels that its teacher matches.

The loss is InfoNCE over the matches of a pair, in both directions, weighted by the student's own
descriptor confidence (MASt3R, Leroy et al. 2024: temperature 0.05, and 10 for the logarithm that
keeps the confidence from falling to zero).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from lunar_student import StudentOutput
from torch import Tensor

TEMPERATURE = 0.05
CONFIDENCE_WEIGHT = 10.0
GRID = 32  # queries a side, a pair
FINER = 4  # where they are looked for: so many times finer


class Matches(NamedTuple):
    """Matched pixels of one pair, as indices into H·W.

    Attributes:
        left: (M,) int64.
        right: (M,) int64.
    """

    left: Tensor
    right: Tensor


@torch.no_grad()
def reciprocal_matches(left: Tensor, right: Tensor) -> list[Matches]:
    """Pixels on a grid of the left images whose nearest right descriptor points back to them.

    Args:
        left: (B, H, W, D) unit descriptors.
        right: The same of the other images.

    Returns:
        For each pair its matches; a way back that ends within one fine cell counts.
    """
    height, width = left.shape[1:3]
    coarse = max(1, min(height, width) // GRID)
    fine = max(1, coarse // FINER)
    queries = _grid(height, width, coarse, left.device)
    candidates = _grid(height, width, fine, left.device)
    found = []
    for a, b in zip(left.flatten(1, 2).float(), right.flatten(1, 2).float(), strict=True):
        there = candidates[(a[queries] @ b[candidates].T).argmax(1)]
        back = candidates[(b[there] @ a[candidates].T).argmax(1)]
        rows = (back // width - queries // width).abs()
        columns = (back % width - queries % width).abs()
        same = torch.maximum(rows, columns) <= fine
        found.append(Matches(queries[same], there[same]))
    return found


def _grid(height: int, width: int, step: int, device: torch.device) -> Tensor:
    y = torch.arange(step // 2, height, step, device=device)
    x = torch.arange(step // 2, width, step, device=device)
    return (y[:, None] * width + x).flatten()


def matching_loss(said: StudentOutput, matches: list[Matches]) -> Tensor:
    """InfoNCE of a student's descriptors on given matches; a scalar, 0 without matches."""
    assert said.descriptors_left is not None and said.descriptors_right is not None
    assert said.descriptor_confidence_left is not None
    assert said.descriptor_confidence_right is not None
    losses = []
    for i, (left, right) in enumerate(matches):
        if len(left) < 2:
            continue
        a = said.descriptors_left[i].flatten(0, 1)[left].float()
        b = said.descriptors_right[i].flatten(0, 1)[right].float()
        similar = a @ b.T / TEMPERATURE  # (M, M)
        # Two queries may share their match: neither is then a negative of the other.
        shared = (right[:, None] == right) & ~torch.eye(len(right), dtype=torch.bool).to(a.device)
        similar = similar.masked_fill(shared, -torch.inf)
        own = torch.arange(len(left), device=a.device)
        error = F.cross_entropy(similar, own, reduction="none")
        error = error + F.cross_entropy(similar.T, own, reduction="none")
        confidence = 0.5 * (
            said.descriptor_confidence_left[i].flatten()[left]
            + said.descriptor_confidence_right[i].flatten()[right]
        ).float().clamp_min(1e-6)
        losses.append((confidence * error - CONFIDENCE_WEIGHT * confidence.log()).mean())
    if not losses:
        return 0.0 * said.descriptors_left.sum()
    return torch.stack(losses).mean()
