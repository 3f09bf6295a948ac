"""A student against the truth, beside the plane that it must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from lunar_runtime.accuracy import Accuracy, measure_accuracy, plane_null
from lunar_runtime.cameras import Intrinsics
from lunar_student import Outputs, Student

from lunar_distill.pairs import RenderedPairs


@dataclass(frozen=True)
class Evaluation:
    """Medians over pairs of the left view's accuracy; the plane null's beside them.

    Attributes:
        pairs: How many.
        absrel: Median over pairs of the median AbsRel.
        absrel_null: The same of the best plane.
        slope_mae_deg: Median over pairs of the slope error.
        slope_mae_null_deg: The same of the best plane.
        relief_correlation: Median over pairs.
    """

    pairs: int
    absrel: float
    absrel_null: float
    slope_mae_deg: float
    slope_mae_null_deg: float
    relief_correlation: float

    def __str__(self) -> str:
        return (
            f"{self.pairs} pairs: AbsRel {100 * self.absrel:.3f} % "
            f"(plane {100 * self.absrel_null:.3f} %, ratio {self.absrel / self.absrel_null:.3f}), "
            f"slope MAE {self.slope_mae_deg:.2f}° (plane {self.slope_mae_null_deg:.2f}°, ratio "
            f"{self.slope_mae_deg / self.slope_mae_null_deg:.3f}), "
            f"relief correlation {self.relief_correlation:.3f}"
        )


@torch.no_grad()
def evaluate(student: Student, data: RenderedPairs, pairs: int, batch_size: int = 8) -> Evaluation:
    """Measure the left pointmaps of the first `pairs` pairs, as they are on disk."""
    student.eval()
    results: list[tuple[Accuracy, Accuracy]] = []
    for start in range(0, min(pairs, len(data)), batch_size):
        numbers = np.arange(start, min(start + batch_size, pairs, len(data)))
        batch = data.batch(numbers)
        images = batch.images[:, :, None].expand(-1, -1, 3, -1, -1)
        points = student(images[0], images[1], Outputs.LEFT).pointmap_left.numpy()
        for i in range(len(numbers)):
            depth = batch.depths[0, i].numpy()
            height, width = depth.shape
            focal = float(batch.focal_px[i])
            camera = Intrinsics(focal, focal, width / 2, height / 2)
            results.append((measure_accuracy(points[i], depth, camera), plane_null(depth, camera)))
    return summarise(results)


def summarise(results: list[tuple[Accuracy, Accuracy]]) -> Evaluation:
    """Medians over (student, plane null) pairs."""
    return Evaluation(
        len(results),
        float(np.median([own.absrel_median for own, _ in results])),
        float(np.median([null.absrel_median for _, null in results])),
        float(np.median([own.slope_mae_deg for own, _ in results])),
        float(np.median([null.slope_mae_deg for _, null in results])),
        float(np.median([own.relief_correlation or 0.0 for own, _ in results])),
    )
