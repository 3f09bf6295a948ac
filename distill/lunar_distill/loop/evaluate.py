"""A student against the truth, beside the plane that it must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from lunar_calib.datasets.stereolunar import find_scenes, read_pair
from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, plane_null
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import prepare
from lunar_student import Student
from numpy.typing import NDArray

from lunar_distill.data.pairs import PairSource


@dataclass(frozen=True)
class TruePair:
    """A pair whose left depth is known.

    Attributes:
        name: For a table.
        left: (H, W) uint8.
        right: (H, W) uint8.
        depth: (H, W) float Z-depth of the left view, NaN where unknown.
        camera: The left camera's intrinsics, pixels.
    """

    name: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Intrinsics


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


def rendered_pairs(data: PairSource, count: int) -> Iterator[TruePair]:
    """The first `count` pairs of a source, as they are on disk."""
    for number in range(min(count, len(data))):
        batch = data.batch(np.array([number]))
        grey = ((batch.images[:, 0].numpy() + 1) * 127.5).round().astype(np.uint8)
        depth = batch.depths[0, 0].numpy()
        focal, half = float(batch.focal_px[0]), data.size_px / 2
        camera = Intrinsics(focal, focal, half, half)
        yield TruePair(f"rendered {number}", grey[0], grey[1], depth, camera)


def stereolunar_pairs(root: Path, size_px: int) -> Iterator[TruePair]:
    """Every pair of every StereoLunar scene below `root`, resized.

    The depth comes from `<root>/../stereolunar_depth/<scene>_<pair>_L.npz` (`depth_m`) where that
    exists: StereoLunar's own is half-float, in steps of 8-32 m that spoil slopes.
    """
    for scene in find_scenes(root):
        label = f"{scene.folder.parent.name.split('_')[0]}_{scene.folder.name}"
        smooth = root.parent / "stereolunar_depth" / f"{label}_L.npz"
        for left_stem, right_stem in scene.pairs:
            pair = read_pair(left_stem, right_stem, depth=not smooth.exists())
            depth = np.load(smooth)["depth_m"] if smooth.exists() else pair.left.depth_m
            left, mapping = prepare(pair.left.image, size_px, size_px)
            right, _ = prepare(pair.right.image, size_px, size_px)
            small = cv2.resize(
                np.asarray(depth, np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA
            )
            camera = mapping.to_network(Intrinsics.from_matrix(pair.left.intrinsics))
            name = f"{label} {left_stem.name}/{right_stem.name}"
            yield TruePair(name, left, right, np.asarray(small, np.float32), camera)


@torch.no_grad()
def measure(student: Student, pair: TruePair) -> tuple[Accuracy, Accuracy]:
    """Accuracy of the student's left pointmap, and of the plane null."""
    student.eval()
    device = next(student.parameters()).device
    images = [
        torch.from_numpy(image).to(device)[None, None].expand(1, 3, -1, -1) / 127.5 - 1.0
        for image in (pair.left, pair.right)
    ]
    points = student(images[0], images[1], "left").pointmap_left[0].cpu().numpy()
    return (
        measure_accuracy(points, pair.depth, pair.camera),
        plane_null(pair.depth, pair.camera),
    )


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
