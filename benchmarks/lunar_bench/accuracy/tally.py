"""Scores of one method, gathered pair by pair."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from lunar_calib.truth.shape_scores import shape_scores
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

from lunar_bench.accuracy.descriptor_matching import match_scores, pose_from_matches
from lunar_bench.accuracy.methods import Method, MethodOutput
from lunar_bench.accuracy.pairs import LabelledPair
from lunar_bench.accuracy.pose_errors import AUC_THRESHOLDS_DEG, area_under_recall, pose_scores
from lunar_bench.accuracy.report import BundleRecord, MethodAccuracy
from lunar_bench.accuracy.scores import confidence_scores, scores_as_published

_DIGITS = 5  # significant ones of every figure: the rest is the processor's rounding


class MethodTally:
    """A method, and what it has scored so far."""

    def __init__(
        self,
        method: Method,
        run: Callable[[LabelledPair], MethodOutput],
        bundle: BundleRecord | None = None,
    ) -> None:
        self._method, self._run, self._bundle = method, run, bundle
        self._pairs: list[str] = []
        self._scenes: list[str] = []
        self._suns: list[str] = []
        self._scores: list[dict[str, float]] = []
        self._published: list[dict[str, float]] = []
        self._tenths: list[list[float]] = []
        self._pose_errors: dict[str, list[float]] = defaultdict(list)
        self._failed: dict[str, str] = {}
        self._notes: dict[str, list[str]] = {}

    def add(self, pair: LabelledPair) -> None:
        """Run the method on a pair and score it; a failure is kept with its reason."""
        known = pair.known
        try:
            found = self._run(pair)
            scores, accuracy = shape_scores(found.points_left, known.depth, known.camera_left)
        except InputError as error:
            self._failed[pair.name] = str(error)
            return
        if found.confidence is not None:
            ranking = confidence_scores(found.points_left, found.confidence, known, accuracy)
            scores["confidence_rank_correlation"] = ranking.rank_correlation
            scores["confidence_ause"] = ranking.ause
            scores["confidence_ause_random"] = ranking.ause_random
            self._tenths.append(ranking.error_by_tenth)
        if found.gives_pose:
            scores |= self._pose("pose", found.right_from_left, pair)
        if found.matches is not None:
            matched = match_scores(found.matches, known)
            scores |= {f"descriptor_{name}": value for name, value in matched.items()}
            scores |= self._pose("descriptor_pose", pose_from_matches(found.matches, known), pair)
        self._pairs.append(pair.name)
        self._scenes.append(pair.scene)
        self._suns.append(pair.sun)
        self._scores.append(scores)
        self._published.append(scores_as_published(found.points_left, found.points_right, pair))
        if found.notes:
            self._notes[pair.name] = found.notes

    def _pose(
        self,
        prefix: str,
        pose: NDArray[Any] | None,
        pair: LabelledPair,
    ) -> dict[str, float]:
        if pose is None:
            self._pose_errors[prefix].append(math.inf)
            return {}
        errors = pose_scores(pose, pair.known.right_from_left)
        self._pose_errors[prefix].append(errors["pose_error_deg"])
        return {name.replace("pose", prefix, 1): value for name, value in errors.items()}

    def result(self) -> MethodAccuracy:
        """Medians, groups and every pair's figures."""
        medians = _medians(self._scores)
        for prefix, errors in self._pose_errors.items():
            medians[f"{prefix}_found"] = float(np.mean(np.isfinite(errors)))
            for t in AUC_THRESHOLDS_DEG:
                medians[f"{prefix}_auc_{t}deg"] = area_under_recall(errors, t)
        names = dict.fromkeys(name for scores in self._scores for name in scores)
        tenths = np.median(self._tenths, axis=0).tolist() if self._tenths else None
        return MethodAccuracy(
            method=self._method,
            bundle=self._bundle,
            medians=_rounded(medians),
            published=_rounded(_medians(self._published)),
            by_scene=self._grouped(self._scenes),
            by_sun=self._grouped(self._suns),
            error_by_tenth=None if tenths is None else [_round(value) for value in tenths],
            pairs=self._pairs,
            figures={
                name: [_round(s[name]) if name in s else None for s in self._scores]
                for name in names
            },
            failed=self._failed,
            notes=self._notes,
        )

    def _grouped(self, labels: list[str]) -> dict[str, dict[str, float]]:
        return {
            label: _rounded(
                _medians([s for s, own in zip(self._scores, labels, strict=True) if own == label])
            )
            for label in sorted(set(labels))
        }


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.median([row[name] for row in rows if name in row])) for name in names}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: _round(value) for name, value in figures.items()}


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
