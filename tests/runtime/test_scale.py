from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.scale import (
    Scale,
    ScaleSource,
    relative_scale,
    scale_from_altitude,
    scale_from_baseline,
    scale_from_rig,
)


def _pose(baseline: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array([0.1, -0.2, 1.5]))[0]
    pose[:3, 3] = baseline * np.array([2.0, -1.0, 2.0]) / 3
    return pose


def test_the_baseline_fixes_the_scale() -> None:
    scale = scale_from_baseline(_pose(0.05), 1442.0)
    assert scale.metres_per_unit == pytest.approx(28_840)
    assert (scale.source, scale.unit) == (ScaleSource.BASELINE, "m")
    assert scale.factor == scale.metres_per_unit


def test_the_rigs_baseline_has_its_own_name() -> None:
    scale = scale_from_rig(_pose(0.05), _pose(100.0))
    assert scale.metres_per_unit == pytest.approx(2000)
    assert scale.source is ScaleSource.RIG
    assert scale.source.value == "rig"


def test_the_altitude_fixes_the_scale() -> None:
    scale = scale_from_altitude(Plane(np.array([0.0, 0.0, -1.0]), -0.8), 40_000)
    assert scale.metres_per_unit == pytest.approx(50_000)
    assert (scale.source, scale.unit) == (ScaleSource.ALTITUDE, "m")


def test_without_a_length_there_are_no_metres() -> None:
    scale = relative_scale()
    assert scale == Scale(None, ScaleSource.RELATIVE)
    assert (scale.unit, scale.factor) == ("relative", 1.0)


@pytest.mark.parametrize("length", [0.0, -3.0, math.nan, math.inf])
def test_lengths_are_positive_and_finite(length: float) -> None:
    with pytest.raises(InputError, match="the baseline must be a positive number of metres, not"):
        scale_from_baseline(_pose(0.05), length)
    with pytest.raises(InputError, match="the altitude must be a positive number of metres, not"):
        scale_from_altitude(Plane(np.array([0.0, 0.0, -1.0]), -1.0), length)


def test_an_identical_pair_has_no_baseline() -> None:
    with pytest.raises(InputError, match=r"no parallax .* give `altitude_m` instead, or no"):
        scale_from_baseline(np.eye(4), 10.0)


def test_a_baseline_that_is_noise_is_refused() -> None:
    with pytest.raises(InputError, match="no parallax"):
        scale_from_baseline(_pose(0.004), 10.0, median_depth=1.0)
    scale_from_baseline(_pose(0.006), 10.0, median_depth=1.0)
    with pytest.raises(InputError, match="no parallax"):
        scale_from_rig(_pose(0.004), _pose(1.0), median_depth=1.0)


def test_a_rig_without_baseline_is_refused() -> None:
    with pytest.raises(InputError, match="baseline must be a positive number of metres, not 0"):
        scale_from_rig(_pose(0.05), np.eye(4))


def test_a_pose_that_is_no_pose_is_refused() -> None:
    with pytest.raises(InputError, match=r"finite \(4, 4\) matrix"):
        scale_from_baseline(np.eye(3), 10.0)
    with pytest.raises(InputError, match=r"finite \(4, 4\) matrix"):
        scale_from_baseline(np.full((4, 4), np.nan), 10.0)


def test_a_plane_through_the_camera_is_refused() -> None:
    with pytest.raises(InputError, match="passes through the camera"):
        scale_from_altitude(Plane(np.array([0.0, 0.0, -1.0]), 0.0), 10.0)
