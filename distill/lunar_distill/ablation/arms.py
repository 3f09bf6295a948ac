"""The paper's ablations: one student, and what it loses with each part of the recipe taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lunar_student import StudentConfig

from lunar_distill.objectives.recipe import Recipe
from lunar_distill.starts.start_choice import Start

SPARSE = 0.01


@dataclass(frozen=True)
class Arm:
    """One variant.

    Attributes:
        name: For table and folder.
        config: The student.
        start: Of its decoder and heads.
        recipe: What it learns.
        freeze_encoder: See `TrainingOptions`.
    """

    name: str
    config: StudentConfig
    start: Start
    recipe: Recipe
    freeze_encoder: bool = False

    @property
    def folder(self) -> str:
        """Its name as a path."""
        return self.name.replace(" ", "_").replace("%", "percent")


def arms(
    base: StudentConfig,
    recipe: Recipe,
    decoders: Sequence[StudentConfig],
    encoders: Sequence[StudentConfig],
) -> list[Arm]:
    """The whole recipe, and each departure from it.

    Args:
        base: The student.
        recipe: The whole recipe.
        decoders: The same student with other decoders.
        encoders: The same student with other encoders.
    """
    best = Arm("best", base, Start.STREAM, recipe)
    truth = replace(recipe, target="truth", feature_weight=0.0, descriptor_weight=0.0)
    departures = [
        replace(best, name="SVD as published", start=Start.SVD),
        replace(best, name="no SVD", start=Start.RANDOM),
        replace(best, name="frozen encoder", freeze_encoder=True),
        replace(best, name="no feature loss", recipe=replace(recipe, feature_weight=0.0)),
        replace(best, name="ground truth", recipe=truth),
        replace(
            best, name=f"{SPARSE:.0%} of ground truth", recipe=replace(truth, truth_density=SPARSE)
        ),
    ]
    sizes = [
        replace(best, name=f"decoder {c.decoder_dim}x{c.decoder_depth}", config=c) for c in decoders
    ]
    kinds = [replace(best, name=f"encoder {c.encoder.value}", config=c) for c in encoders]
    return [best, *departures, *sizes, *kinds]
