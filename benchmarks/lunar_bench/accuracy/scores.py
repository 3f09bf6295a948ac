"""What a pair's reconstruction scores against the truth, by our definitions (DESIGN section 6).

Figures are flat: name -> number. Depth is compared after a similarity alignment, slopes at
sigma = 2 px from the true plane's normal, on a mask eroded by 3 px:

    absrel_median, absrel_mean          fractions
    slope_mae_deg
    relief_correlation                  of the heights above each one's own best plane
    coverage                            share of the known pixels that have a prediction
    hazard_agreement_Tdeg               share of the pixels that both call hazard or both call safe
    hazard_false_alarm_Tdeg             share of the safe pixels that are called hazards
    hazard_miss_Tdeg                    share of the hazards that are called safe: what matters
    …_null_deg, …_null                  the same of the best plane, on the same pixels
    confidence_…                        see `confidence_ranking`
    pose_rotation_deg, pose_translation_deg, pose_error_deg (the larger)
    descriptor_…                        see `descriptor_matching`; the pose from them likewise

with T = 5, 10, 15, 20. What a pair has no answer to (no ground that steep, no pose) is absent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, plane_null, true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.plane import fit_plane
from numpy.typing import NDArray

from lunar_bench.accuracy.confidence_ranking import ConfidenceRanking, rank_by_confidence
from lunar_bench.accuracy.pairs import LabelledPair
from lunar_bench.accuracy.published_metrics import published_scores

_ERODE_PX = 3


def shape_scores(points: NDArray[Any], pair: KnownPair) -> tuple[dict[str, float], Accuracy]:
    """Error of the left pointmap's shape, beside the plane null on the same pixels.

    Args:
        points: (H, W, 3) on the pair's pixels, any unit and frame; NaN = no prediction.
        pair: Its truth.

    Raises:
        InputError: The two share too few pixels.
    """
    up = fit_plane(true_pointmap(pair.depth, pair.camera_left)).normal
    own = measure_accuracy(points, pair.depth, pair.camera_left, up=up)
    covered = np.isfinite(points).all(axis=-1)
    null = plane_null(np.where(covered, pair.depth, np.nan), pair.camera_left, up=up)
    scores: dict[str, float | None] = {
        "absrel_median": own.absrel_median,
        "absrel_median_null": null.absrel_median,
        "absrel_mean": own.absrel_mean,
        "absrel_mean_null": null.absrel_mean,
        "slope_mae_deg": own.slope_mae_deg,
        "slope_mae_null_deg": null.slope_mae_deg,
        "relief_correlation": own.relief_correlation,
        "coverage": own.coverage,
    }
    for kind, values in (
        ("agreement", own.hazard_agreement),
        ("false_alarm", own.hazard_false_alarm),
        ("miss", own.hazard_miss),
    ):
        scores |= {f"hazard_{kind}_{t:g}deg": value for t, value in values.items()}
    scores |= {f"hazard_miss_null_{t:g}deg": value for t, value in null.hazard_miss.items()}
    return {name: value for name, value in scores.items() if value is not None}, own


def confidence_scores(
    points: NDArray[Any], confidence: NDArray[Any], pair: KnownPair, accuracy: Accuracy
) -> ConfidenceRanking:
    """Order of the confidences against that of the relative errors of depth.

    Args:
        points: As in `shape_scores`.
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
        points_left: As in `shape_scores`.
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
