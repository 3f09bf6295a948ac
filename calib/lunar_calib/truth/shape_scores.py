"""What a pair's reconstruction scores against the truth, beside the plane null.

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

with T = 5, 10, 15, 20. What a pair has no answer to (no ground that steep) is absent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import fit_plane
from numpy.typing import NDArray

from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, plane_null, true_pointmap


def shape_scores(
    points: NDArray[Any], depth_true: NDArray[Any], intrinsics_true: Intrinsics
) -> tuple[dict[str, float], Accuracy]:
    """Error of a pointmap's shape, beside the plane null on the same pixels.

    Args:
        points: (H, W, 3) on the truth's pixels, any unit and frame; NaN = no prediction.
        depth_true: (H, W) true Z-depth; not finite or ≤ 0 = unknown.
        intrinsics_true: Of that camera, pixels of this grid.

    Raises:
        InputError: The two share too few pixels.
    """
    up = fit_plane(true_pointmap(depth_true, intrinsics_true)).normal
    own = measure_accuracy(points, depth_true, intrinsics_true, up=up)
    covered = np.isfinite(points).all(axis=-1)
    null = plane_null(np.where(covered, depth_true, np.nan), intrinsics_true, up=up)
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
