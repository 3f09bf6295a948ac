"""How far a recovered pose is from the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

AUC_THRESHOLDS_DEG = (5, 10, 20)


def rotation_error_deg(right_from_left: NDArray[Any], true: NDArray[Any]) -> float:
    """Angle of the rotation that leads from one (4, 4) pose to the other."""
    R = np.asarray(right_from_left)[:3, :3] @ np.asarray(true)[:3, :3].T
    # From sine and cosine: the arccosine alone resolves no less than 1e-6 degrees near zero.
    sine = np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    return float(np.degrees(np.arctan2(sine, (np.trace(R) - 1) / 2)))


def translation_error_deg(right_from_left: NDArray[Any], true: NDArray[Any]) -> float:
    """Angle between the translations of two (4, 4) poses; their lengths do not matter."""
    a, b = np.asarray(right_from_left)[:3, 3], np.asarray(true)[:3, 3]
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def pose_scores(right_from_left: NDArray[Any], true: NDArray[Any]) -> dict[str, float]:
    """Both errors; `pose_error_deg` is the larger one, as in the published evaluation."""
    turn = rotation_error_deg(right_from_left, true)
    shift = translation_error_deg(right_from_left, true)
    return {
        "pose_rotation_deg": turn,
        "pose_translation_deg": shift,
        "pose_error_deg": max(turn, shift),
    }


def area_under_recall(errors_deg: Sequence[float], threshold_deg: float) -> float:
    """AUC@threshold: mean over x in [0, threshold] of the share of pairs with an error up to x.

    The published one sums the same curve in steps of a tenth of a degree; this is its limit.

    Args:
        errors_deg: One a pair; infinite = no pose was found.
        threshold_deg: Positive.

    Returns:
        A fraction; 1 = all errors are zero.
    """
    inside = np.clip(1 - np.asarray(errors_deg, np.float64) / threshold_deg, 0, None)
    return float(np.mean(inside))
