"""What of a teacher is taught, and how much of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Whose points are learned.
PointsOf = Literal["teacher", "truth"]


@dataclass(frozen=True)
class Recipe:
    """The published recipe, by default.

    Attributes:
        feature_weight: Of the features' cosine margin loss; 0 leaves the features alone.
        descriptor_weight: Of the matching loss, where teacher and student have descriptors.
        relief_weight: Of the left relief and of its gradients (`losses.depth_losses`), which the
            points alone teach slowly; not in the published recipe.
        min_confidence: The teacher's points below it are not taught; confidences are above 1.
        target: "teacher", or "truth" to learn the true points in its place.
        truth_density: Share of the pixels whose truth is known, the same in every image.
    """

    feature_weight: float = 0.1
    descriptor_weight: float = 0.075
    relief_weight: float = 0.0
    min_confidence: float = 1.2
    target: PointsOf = "teacher"
    truth_density: float = 1.0
