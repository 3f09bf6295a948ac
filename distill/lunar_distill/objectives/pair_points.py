"""Points of both views against others, up to one common scale.

MASt3R's regression (Leroy et al. 2024): both pointmaps of a pair, which share the left camera's
frame, are divided by the mean distance of their valid points together, and the error of every
point is weighted by the confidence that the network gave it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from lunar_student import StudentOutput
from torch import Tensor

from lunar_distill.objectives.losses import point_loss, unit_scale


class PairPoints(NamedTuple):
    """Both views of B pairs, the right below the left, in the left camera's frame.

    Attributes:
        points: (B, 2H, W, 3).
        confidence: (B, 2H, W).
    """

    points: Tensor
    confidence: Tensor


def both_views(output: StudentOutput) -> PairPoints:
    """What a network that was asked for both views said."""
    assert output.pointmap_right is not None and output.confidence_right is not None
    return PairPoints(
        torch.cat((output.pointmap_left, output.pointmap_right), dim=1),
        torch.cat((output.confidence_left, output.confidence_right), dim=1),
    )


def pair_loss(said: PairPoints, points: Tensor, valid: Tensor) -> Tensor:
    """Confidence-weighted error of what a student said; a scalar.

    Args:
        said: The student's.
        points: (B, 2H, W, 3) to reproduce, at any scale.
        valid: (B, 2H, W) bool: which of them count.
    """
    return point_loss(
        unit_scale(said.points, valid), said.confidence, unit_scale(points, valid), valid
    )


def pair_error(said: PairPoints, points: Tensor, valid: Tensor) -> Tensor:
    """Mean distance from `points`, over their mean distance from the camera; (B,)."""
    error = (unit_scale(said.points, valid) - unit_scale(points, valid)).norm(dim=-1)
    weight = valid.float()
    mean: Tensor = (error * weight).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)
    return mean
