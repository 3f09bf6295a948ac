"""A student from ground truth.

The encoder sees each image once; the decoder sees the pair in both orders, so that both images
serve as left view. The right view's decoder and head join when asked for, starting from the left's:
they are the most expensive part and learn little that the left has not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import Student
from lunar_student.encoders import Encoded
from lunar_student.network import split_views
from torch import Tensor, nn

from lunar_distill.data.batch import Batch
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.losses import (
    depth_losses,
    mean_distance,
    plane_normal,
    point_loss,
    unit_scale,
    unproject,
)


@dataclass(frozen=True)
class Supervision:
    """Weights of the terms beside the points'.

    Attributes:
        depth_weight: Of the inverse-depth term.
        tilt_weight: Of the distance of the predicted plane's unit normal from the true one's.
        relief_weight: Of the relief term.
        gradient_weight: Of the gradient term.
        probe_weight: Of the directions to the sun and of the plane's normal, read off the mean
            tokens of encoder and decoder by linear probes that are not part of the student.
            Shading tells the relief only to who knows the sun, and the other losses teach that
            slowly.
        right_weight: Of the right view's points.
        right_view: Whether the right view's head is trained.
    """

    depth_weight: float = 0.1
    tilt_weight: float = 4.0
    relief_weight: float = 0.5
    gradient_weight: float = 0.5
    probe_weight: float = 5.0
    right_weight: float = 0.5
    right_view: bool = False


class FromTruth:
    """The objective of `lunar-distill supervise`."""

    def __init__(self, recipe: Supervision, arithmetic: Arithmetic) -> None:
        self.recipe = recipe
        self.arithmetic = arithmetic

    def describe(self) -> dict[str, Any]:
        """The weights of the terms."""
        return asdict(self.recipe)

    def companions(self, student: Student) -> nn.Module:
        """Linear probes on the mean tokens of encoder and decoder."""
        dims = (student.config.encoder_dim, student.config.decoder_dim)
        return nn.ModuleList(nn.Linear(dim, 6) for dim in dims)

    def prepare(self, batch: Batch) -> None:
        """Nothing: the truth is in the batch."""

    def loss(
        self, student: Student, companions: nn.Module, batch: Batch, prepared: None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of both orders of each pair, and its terms."""
        terms = self._terms(student, companions, batch)
        recipe = self.recipe
        loss = (
            terms["points"]
            + recipe.depth_weight * terms["depth"]
            + recipe.tilt_weight * terms["tilt"]
            + recipe.relief_weight * terms["relief"]
            + recipe.gradient_weight * terms["gradient"]
            + recipe.probe_weight * (terms["sun"] + terms["normal"])
        )
        if "right" in terms:
            loss = loss + recipe.right_weight * terms["right"]
        return loss, terms

    def _terms(self, student: Student, probes: nn.Module, batch: Batch) -> dict[str, Tensor]:
        assert isinstance(probes, nn.ModuleList)
        grey = batch.images.flatten(0, 1)[:, None]  # (2B, 1, H, W)
        images = grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        outputs: OutputSet = "both" if self.recipe.right_view else "left"
        with self.arithmetic:
            left, right = split_views(student.encode(images))
            both_orders = _concatenate(left, right), _concatenate(right, left)
            first, second = student.decode(*both_orders, outputs)
            points, confidence = student.downstream_head1.points(first)
            if second is not None:
                points2, confidence2 = student.downstream_head2.points(second)
        depth = batch.depths.flatten(0, 1)
        valid = torch.isfinite(depth) & (depth > 0)
        true = unproject(depth.nan_to_num(0.0), batch.focal_px.repeat(2))
        scaled = unit_scale(points, valid), confidence, unit_scale(true, valid), valid
        terms = {**depth_losses(points, true, valid), "points": point_loss(*scaled)}
        direction = plane_normal(true, valid)
        suns = batch.suns.flatten(0, 1)
        terms["tilt"] = (plane_normal(points, valid) - direction).norm(dim=1).mean()
        for end, probe in zip((0, -1), probes, strict=True):
            sun, normal = probe(first.layers[end].float().mean(1)).split(3, dim=1)
            for name, guess, known in (("sun", sun, suns), ("normal", normal, direction)):
                told = known.isfinite().all(1)  # published frames do not tell their sun
                error = 0.5 * (guess - known.nan_to_num()).square().sum(1)
                error = (error * told).sum() / told.sum().clamp_min(1)
                terms[name] = terms.get(name, error.new_zeros(())) + error
        if second is not None:
            terms["right"] = _right_loss(points, points2, confidence2, true, valid, batch)
        return terms


def _right_loss(
    points: Tensor,
    points2: Tensor,
    confidence2: Tensor,
    true: Tensor,
    valid: Tensor,
    batch: Batch,
) -> Tensor:
    """The right pointmap in the left frame, at the left pointmap's scale."""
    order = torch.cat((batch.left_from_right, torch.linalg.inv(batch.left_from_right)))
    other, other_valid = true.roll(len(batch), 0), valid.roll(len(batch), 0)  # the other image's
    moved = torch.einsum("bij,bhwj->bhwi", order[:, :3, :3], other) + order[:, None, None, :3, 3]
    scale = mean_distance(points, valid)
    true_scale = mean_distance(true, valid)
    return point_loss(points2 / scale, confidence2, moved / true_scale, other_valid)


def _concatenate(a: Encoded, b: Encoded) -> Encoded:
    skips = tuple(torch.cat(pair) for pair in zip(a.skips, b.skips, strict=True))
    return Encoded(torch.cat((a.tokens, b.tokens)), skips)
