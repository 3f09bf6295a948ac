"""A student against the truth, beside the plane that it must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lunar_calib.datasets.stereolunar_frames import read_pair
from lunar_calib.datasets.stereolunar_scenes import find_scenes
from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, plane_null
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import cropped
from lunar_student import Student

from lunar_distill.data.frame_pairs import square_depth
from lunar_distill.data.training_pairs import TrainingPairs


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


def first_pairs(data: TrainingPairs, count: int) -> Iterator[KnownPair]:
    """The first `count` pairs of a source, as they are on disk."""
    for number in range(min(count, len(data))):
        batch = data.batch(np.array([number]))
        left, right = ((batch.images[:, 0].numpy() + 1) * 127.5).round().astype(np.uint8)
        focal, half = float(batch.focal_px[0]), data.size_px / 2
        camera = Intrinsics(focal, focal, half, half)
        yield KnownPair(
            f"rendered {number}",
            left,
            right,
            batch.depths[0, 0].numpy(),
            camera,
            camera,
            np.linalg.inv(batch.left_from_right[0].numpy().astype(np.float64)),
        )


def resized_stereolunar_pairs(root: Path, size_px: int) -> Iterator[KnownPair]:
    """Every pair of every StereoLunar scene below `root`, resized.

    The depth is that of `Scene.smooth_depth_file` where there is one.
    """
    for scene in find_scenes(root):
        smooth = scene.smooth_depth_file()
        for stems in scene.pairs:
            pair = read_pair(*stems, depth=not smooth.exists())
            depth = np.load(smooth)["depth_m"] if smooth.exists() else pair.left.depth_m
            left, mapping = cropped(pair.left.image, size_px, size_px)
            right, right_mapping = cropped(pair.right.image, size_px, size_px)
            yield KnownPair(
                f"{scene.label} {stems[0].name}/{stems[1].name}",
                left,
                right,
                square_depth(np.asarray(depth, np.float32), mapping),
                mapping.to_grid(Intrinsics.from_matrix(pair.left.intrinsics)),
                right_mapping.to_grid(Intrinsics.from_matrix(pair.right.intrinsics)),
                pair.right_from_left,
            )


@torch.no_grad()
def measure_student(student: Student, pair: KnownPair) -> tuple[Accuracy, Accuracy]:
    """Accuracy of the student's left pointmap, and of the plane null."""
    student.eval()
    device = next(student.parameters()).device
    images = [
        torch.from_numpy(image).to(device)[None, None].expand(1, 3, -1, -1) / 127.5 - 1.0
        for image in (pair.left, pair.right)
    ]
    points = student(images[0], images[1], "left").pointmap_left[0].cpu().numpy()
    return (
        measure_accuracy(points, pair.depth, pair.camera_left),
        plane_null(pair.depth, pair.camera_left),
    )


def figures(own: Accuracy, null: Accuracy) -> dict[str, float | None]:
    """What a table says of one pair; see `Evaluation`."""
    return {
        "absrel": own.absrel_median,
        "absrel_null": null.absrel_median,
        "slope_mae_deg": own.slope_mae_deg,
        "slope_mae_null_deg": null.slope_mae_deg,
        "relief_correlation": own.relief_correlation,
    }


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
