"""Matches between a bundle's descriptors, against the truth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.epipolar import RelativePose, rays_of
from lunar_runtime.refinement.matching import Matches
from numpy.typing import NDArray

_STEP_PX = 8  # between starts
_ROUNDS = 10
_BORDER_PX = 3
_KEPT = 2000  # of the matches, those with the most confidence
_INLIER_PX = 1.0
_FEWEST = 8  # matches, for a pose
_CHUNK = 1024  # starts compared at once: 1024 × 512² × 4 bytes is a gigabyte
_GOOD_PX = (1, 3, 5)


def reciprocal_matches(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    confidence: NDArray[Any] | None = None,
    most: int = _KEPT,
) -> Matches:
    """Pixels that are each other's nearest in descriptor space.

    From every eighth pixel of the left image to the nearest descriptor of all of the right one,
    back to the nearest of all of the left, and so on, until a pair finds itself again (fast
    reciprocal matching; Leroy et al. 2024). Matches within 3 px of a border are dropped. (The
    runtime's `match_descriptors` compares two coarse grids: quicker, and good to four pixels.)

    Args:
        left: (H, W, D), unit length.
        right: (H, W, D).
        confidence: (2, H, W) of the left and right descriptors; the matches with the largest
            lesser one of the two are kept. None = all are.
        most: That are kept.
    """
    shape = left.shape[:2]
    flat_left, flat_right = (
        np.ascontiguousarray(d.reshape(-1, d.shape[-1])) for d in (left, right)
    )
    start = np.zeros(shape, bool)
    start[_STEP_PX // 2 :: _STEP_PX, _STEP_PX // 2 :: _STEP_PX] = True
    here = np.flatnonzero(start)
    found: set[tuple[int, int]] = set()
    for _ in range(_ROUNDS):
        there = _nearest(flat_left[here], flat_right)
        back = _nearest(flat_right[there], flat_left)
        settled = back == here
        found.update(zip(here[settled].tolist(), there[settled].tolist(), strict=True))
        here = np.unique(back[~settled])
        if not here.size:
            break
    pairs = np.array(sorted(found), np.intp).reshape(-1, 2)
    rows, columns = np.divmod(pairs, shape[1])
    inside = (rows >= _BORDER_PX) & (rows < shape[0] - _BORDER_PX)
    inside &= (columns >= _BORDER_PX) & (columns < shape[1] - _BORDER_PX)
    pairs = pairs[inside.all(axis=1)]
    if confidence is not None and len(pairs) > most:
        sides = np.asarray(confidence).reshape(2, -1)
        lesser = np.minimum(sides[0][pairs[:, 0]], sides[1][pairs[:, 1]])
        pairs = pairs[np.sort(np.argsort(-lesser, kind="stable")[:most])]
    rows, columns = np.divmod(pairs, shape[1])
    pixels = np.stack([columns, rows], axis=-1) + 0.5  # (N, 2 views, 2)
    return Matches(pixels[:, 0], pixels[:, 1])


def match_scores(matches: Matches, pair: KnownPair) -> dict[str, float]:
    """Distances of the right pixels from where the left ones truly are.

    Args:
        matches: In pixels of the pair's images.
        pair: Its truth.

    Returns:
        `matches`: how many; of those whose left pixel the right camera truly sees, the median
        distance in pixels and the shares within 1, 3 and 5 px; absent where there is none.
    """
    scores = {"matches": float(len(matches.left))}
    true = true_pointmap(pair.depth, pair.camera_left)
    columns, rows = np.floor(matches.left).astype(int).T if len(matches.left) else ([], [])
    points = true[rows, columns] @ pair.right_from_left[:3, :3].T + pair.right_from_left[:3, 3]
    seen = points @ pair.camera_right.matrix().T
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = seen[:, :2] / seen[:, 2:]
    height, width = pair.right.shape
    with np.errstate(invalid="ignore"):
        visible = (expected >= 0).all(axis=1) & (expected < [width, height]).all(axis=1)
        visible &= seen[:, 2] > 0
    if not visible.any():
        return scores
    distance = np.linalg.norm(expected[visible] - matches.right[visible], axis=1)
    scores["match_error_px"] = float(np.median(distance))
    for limit in _GOOD_PX:
        scores[f"matches_within_{limit}px"] = float(np.mean(distance <= limit))
    return scores


def pose_from_matches(matches: Matches, pair: KnownPair) -> NDArray[np.float64] | None:
    """(4, 4) right_from_left, baseline 1, of the essential matrix; None = none was found.

    Five points in RANSAC with 1 px, as in the published evaluation.
    """
    if len(matches.left) < _FEWEST:
        return None
    left = rays_of(matches.left, pair.camera_left)[:, :2]
    right = rays_of(matches.right, pair.camera_right)[:, :2]
    cv2.setRNGSeed(0)
    try:
        E, inlier = cv2.findEssentialMat(
            left, right, np.eye(3), method=cv2.RANSAC, prob=0.9999,
            threshold=_INLIER_PX / pair.camera_left.fx,
        )  # fmt: skip
    except cv2.error:
        return None
    if E is None or E.shape != (3, 3):
        return None
    _, R, t, _ = cv2.recoverPose(E, left, right, np.eye(3), mask=inlier)
    return RelativePose(np.asarray(R, np.float64), np.asarray(t, np.float64).ravel()).matrix()


def _nearest(query: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.intp]:
    chunks = np.array_split(query, max(1, -(-len(query) // _CHUNK)))
    return np.concatenate([(chunk @ others.T).argmax(axis=1) for chunk in chunks])
