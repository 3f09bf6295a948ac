from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from lunar_bench.accuracy.pose_errors import (
    area_under_recall,
    pose_scores,
    rotation_error_deg,
    translation_error_deg,
)


def pose(turn_deg: float, t: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = cv2.Rodrigues(np.radians(turn_deg) * np.array([0.6, 0.0, 0.8]))[0]
    matrix[:3, 3] = t
    return matrix


@pytest.mark.parametrize("angle", [1e-7, 0.5, 90.0, 179.9])
def test_the_rotation_error_is_the_angle_between_the_rotations(angle: float) -> None:
    found = rotation_error_deg(pose(30 + angle, (1, 0, 0)), pose(30, (1, 0, 0)))
    assert found == pytest.approx(angle, rel=1e-6, abs=1e-9)  # rounding of a product of rotations


def test_the_translation_error_is_an_angle_and_no_length() -> None:
    turned = (10 * math.cos(math.radians(3)), 10 * math.sin(math.radians(3)), 0)
    assert translation_error_deg(pose(0, turned), pose(0, (1, 0, 0))) == pytest.approx(3)
    assert translation_error_deg(pose(0, (-1, 0, 0)), pose(0, (1, 0, 0))) == pytest.approx(180)


def test_the_pose_error_is_the_larger_of_the_two() -> None:
    scores = pose_scores(pose(4, (0, 1, 0)), pose(0, (1, 0, 0)))
    assert scores["pose_rotation_deg"] == pytest.approx(4)
    assert scores["pose_error_deg"] == scores["pose_translation_deg"] == pytest.approx(90)


def test_the_area_under_the_recall_of_constructed_errors() -> None:
    # An error e counts from e on: it fills 1 - e/10 of the curve up to 10°.
    assert area_under_recall([0.0, 0.0], 10) == 1
    assert area_under_recall([2.5], 10) == pytest.approx(0.75)
    assert area_under_recall([0.0, 5.0, 10.0, math.inf], 10) == pytest.approx((1 + 0.5) / 4)


def test_the_area_is_the_limit_of_the_published_sum() -> None:
    errors = np.random.default_rng(0).uniform(0, 30, 200)
    x = np.linspace(0, 20, 201)
    recall = np.array([(errors <= value).mean() for value in x])
    published = float(np.sum((recall[1:] + recall[:-1]) / 2 * np.diff(x)) / 20)
    # Each error is off by at most half a step of 0.1° in 20°.
    assert area_under_recall(errors.tolist(), 20) == pytest.approx(published, abs=0.05 / 20)
