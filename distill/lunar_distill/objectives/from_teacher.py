"""Students from a frozen teacher: its pointmaps, confidences, descriptors and features.

One forward of the teacher serves every student of the run. No ground truth is used, unless it is
what the teacher is to be compared with (`Recipe.target`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.errors import UsageError
from lunar_student import Student, StudentOutput
from torch import Tensor, nn

from lunar_distill.data.batch import Batch
from lunar_distill.objectives.arithmetic import Arithmetic
from lunar_distill.objectives.features import Projectors, aligned_layers, as_maps, captured
from lunar_distill.objectives.losses import depth_losses, unproject
from lunar_distill.objectives.matching import Matches, matching_loss, reciprocal_matches
from lunar_distill.objectives.pair_points import both_views, pair_loss
from lunar_distill.objectives.recipe import Recipe

UNSURE_BATCHES = 20
PROBE_PX = 64  # an image this small tells the widths of the features


class Targets(NamedTuple):
    """What a batch's students are to say.

    Attributes:
        points: (B, 2H, W, 3), the right view below the left, in the left camera's frame.
        valid: (B, 2H, W) bool.
        features: The teacher's maps (2B, C, h, w), left images first.
        matches: The teacher's matches, or none.
    """

    points: Tensor
    valid: Tensor
    features: list[Tensor]
    matches: list[Matches]


class FromTeacher:
    """The objective of `lunar-distill distill`.

    Attributes:
        tokens: By student id, the (E_student, E_teacher) in which a started decoder reads its
            encoder; the identity where there is none.

    Raises:
        UsageError: The recipe asks for a teacher and there is none.
    """

    def __init__(self, recipe: Recipe, arithmetic: Arithmetic, teacher: Student | None) -> None:
        self.recipe, self.arithmetic, self.teacher = recipe, arithmetic, teacher
        self.tokens: dict[str, Tensor] = {}
        self._unsure = 0
        if teacher is None and (recipe.target == "teacher" or recipe.feature_weight):
            raise UsageError("a teacher's points or features need a teacher")
        if teacher is not None:
            teacher.eval().requires_grad_(False)

    def describe(self) -> dict[str, Any]:
        """The recipe, and which teacher it is: its id and a sum over its weights."""
        if self.teacher is None:
            return asdict(self.recipe)
        total = self.teacher.decoder_embed.weight.double().sum()
        return {**asdict(self.recipe), "teacher": f"{self.teacher.config.id} {float(total):.9g}"}

    def companions(self, student: Student) -> nn.Module:
        """A projector for each aligned layer; from here on the teacher is where it computes."""
        if self.teacher is not None:
            self.teacher.to(self.arithmetic.device)
        if self.teacher is None or not self.recipe.feature_weight:
            return nn.ModuleList()
        tokens = self.tokens.get(student.config.id)
        return Projectors(_widths(student), _widths(self.teacher), tokens)

    def prepare(self, batch: Batch) -> Targets:
        """One forward of the teacher, or the truth.

        Raises:
            UsageError: The teacher was surer than `min_confidence` nowhere in many batches running.
        """
        if self.recipe.target == "truth":
            features = self._teach(batch)[1] if self.recipe.feature_weight else []
            return Targets(*true_points(batch, self.recipe.truth_density), features, [])
        said, features = self._teach(batch)
        points = both_views(said)
        matches = []
        if self.recipe.descriptor_weight and said.descriptors_left is not None:
            assert said.descriptors_right is not None
            matches = reciprocal_matches(said.descriptors_left, said.descriptors_right)
        confident = points.confidence > self.recipe.min_confidence
        self._refuse_unsure(bool(confident.any()), points.confidence)
        return Targets(points.points, confident, features, matches)

    def _refuse_unsure(self, teaches: bool, confidence: Tensor) -> None:
        self._unsure = 0 if teaches else self._unsure + 1
        if self._unsure == UNSURE_BATCHES:
            raise UsageError(
                f"in {UNSURE_BATCHES} batches running the teacher was nowhere surer than "
                f"min_confidence {self.recipe.min_confidence:g}: there is nothing to learn (its "
                f"highest confidence in the last one is {float(confidence.max()):.3g}); lower it"
            )

    @torch.no_grad()
    def _teach(self, batch: Batch) -> tuple[StudentOutput, list[Tensor]]:
        assert self.teacher is not None
        wanted = aligned_layers(self.teacher) if self.recipe.feature_weight else []
        outputs: OutputSet = "all" if self.recipe.descriptor_weight else "both"
        left, right = batch.views()
        with captured(wanted) as found, self.arithmetic:
            said = self.teacher(left, right, outputs)
        return said, as_maps(found, self.teacher, (left.shape[-2], left.shape[-1]))

    def loss(
        self, student: Student, companions: nn.Module, batch: Batch, prepared: Targets
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and its terms."""
        left, right = batch.views()
        size = left.shape[-2], left.shape[-1]
        wanted = aligned_layers(student) if prepared.features else []
        match = bool(prepared.matches) and bool(student.config.descriptor_dim)
        with captured(wanted) as found, self.arithmetic:
            said = student(left, right, "all" if match else "both")
            aligned = None
            if prepared.features:
                assert isinstance(companions, Projectors)
                aligned = companions.losses(as_maps(found, student, size), prepared.features)
        loss = points = pair_loss(both_views(said), prepared.points, prepared.valid)
        terms = {"points": points, "taught": prepared.valid.float().mean()}
        if self.recipe.relief_weight:
            half = prepared.points[:, : size[0]], prepared.valid[:, : size[0]]
            relief = depth_losses(said.pointmap_left, *half)
            terms |= {"relief": relief["relief"], "gradient": relief["gradient"]}
            loss = loss + self.recipe.relief_weight * (relief["relief"] + relief["gradient"])
        if aligned is not None:
            terms["features"] = aligned
            loss = loss + self.recipe.feature_weight * aligned
        if match:
            terms["descriptors"] = matching_loss(said, prepared.matches)
            loss = loss + self.recipe.descriptor_weight * terms["descriptors"]
        return loss, terms


def true_points(batch: Batch, density: float = 1.0) -> tuple[Tensor, Tensor]:
    """The truth of both views in the left camera's frame, and where it is known.

    Args:
        batch: Of B pairs.
        density: Share of the pixels that count as known; the same ones in every image.

    Returns:
        (B, 2H, W, 3) metres and (B, 2H, W) bool.
    """
    left, right = (
        unproject(depth.nan_to_num(0.0), batch.focal_px) for depth in batch.depths.unbind(0)
    )
    pose = batch.left_from_right
    moved = torch.einsum("bij,bhwj->bhwi", pose[:, :3, :3], right) + pose[:, None, None, :3, 3]
    valid = torch.isfinite(batch.depths) & (batch.depths > 0)
    if density < 1.0:
        draw = torch.rand(valid.shape[-2:], generator=torch.Generator().manual_seed(0))
        valid = valid & (draw < density).to(valid.device)
    return torch.cat((left, moved), dim=1), torch.cat(tuple(valid), dim=1)


@torch.no_grad()
def _widths(student: Student) -> list[int]:
    """Channels of the aligned layers."""
    layers = aligned_layers(student)
    training = student.training
    student.eval()
    device = next(student.parameters()).device
    with captured(layers) as found:
        student.encode(torch.zeros(1, 3, PROBE_PX, PROBE_PX, device=device))
    student.train(training)
    return [x.shape[1] if x.ndim == 4 else x.shape[2] for x in found]
