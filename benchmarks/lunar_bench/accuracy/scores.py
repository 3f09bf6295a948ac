"""What a reconstruction scores beside its shape: confidences, and the published figures.

Figures are flat, as those of `lunar_calib.truth.shape_scores`:

    confidence_…                        see `confidence_ranking`
    pose_rotation_deg, pose_translation_deg, pose_error_deg (the larger)
    descriptor_…                        see `descriptor_matching`; the pose from them likewise

What a pair has no answer to (no pose) is absent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lunar_calib.truth.accuracy import Accuracy, true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from numpy.typing import NDArray

from lunar_bench.accuracy.confidence_ranking import ConfidenceRanking, rank_by_confidence
from lunar_bench.accuracy.pairs import LabelledPair
from lunar_bench.accuracy.published_metrics import published_scores

_ERODE_PX = 3


def confidence_scores(
    points: NDArray[Any], confidence: NDArray[Any], pair: KnownPair, accuracy: Accuracy
) -> ConfidenceRanking:
    """Order of the confidences against that of the relative errors of depth.

    Args:
        points: (H, W, 3) on the pair's pixels, any unit and frame; NaN = no prediction.
        confidence: (H, W).
        pair: Its truth.
        accuracy: Of these points.

    Raises:
        InputError: Fewer than ten pixels have both.
    """
    z = accuracy.alignment.apply(points)[..., 2]
    with np.errstate(invalid="ignore"):
        error = np.abs(z / np.where(pair.depth > 0, pair.depth, np.nan) - 1)
    border = slice(_ERODE_PX, -_ERODE_PX)
    return rank_by_confidence(error[border, border].ravel(), confidence[border, border].ravel())


def scores_as_published(
    points_left: NDArray[Any], points_right: NDArray[Any] | None, pair: LabelledPair
) -> dict[str, float]:
    """`published_scores` of the left pointmap, and as `both_views_…` of both where there are two.

    Args:
        points_left: (H, W, 3) on the pair's pixels, any unit and frame; NaN = no prediction.
        points_right: (H, W, 3) of the right image's pixels, in the same frame and unit.
        pair: Its truth.
    """
    known = pair.known
    left = points_left, true_pointmap(known.depth, known.camera_left)
    scores = published_scores([left], pair.world_z)
    if points_right is None:
        return scores
    seen_right = true_pointmap(pair.depth_right, known.camera_right)
    left_from_right = np.linalg.inv(known.right_from_left)
    true_right = seen_right @ left_from_right[:3, :3].T + left_from_right[:3, 3]
    both = published_scores([left, (points_right, true_right)], pair.world_z)
    return scores | {f"both_views_{name}": value for name, value in both.items()}
