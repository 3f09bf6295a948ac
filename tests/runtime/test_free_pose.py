"""Poses that the images find by themselves, and how sure they are said to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lunar_bench.accuracy.pose_errors import rotation_error_deg, translation_error_deg
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import Rig, StereoRuntime
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.refinement.free_pose import unsettled

from .scenes import rigid


@pytest.fixture(scope="module")
def restless() -> KnownPair:
    """A noisy pair from straight above: its poses went 23 degrees from round to round."""
    return next(itertools.islice(rendered_pairs(4, 512, 32000), 3, None))


def test_a_right_rig_is_no_contradiction_of_a_pose_that_does_not_settle(
    restless: KnownPair,
) -> None:
    """It was refused, 4.3 times the errors of both away."""
    rig = Rig(
        restless.camera_left, restless.camera_right, restless.right_from_left, restless.up_left
    )
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(restless.left, restless.right, rig)
    assert result.unit == "m"
    assert result.refinement is not None
    assert result.refinement.done
    assert np.nanmedian(np.abs(result.depth / restless.depth - 1)) < 0.005


def test_without_a_rig_its_pose_is_as_unsure_as_it_is_wrong(restless: KnownPair) -> None:
    """Depths were 17 % off, at a sigma of 4."""
    rig = Rig(restless.camera_left, restless.camera_right)
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(restless.left, restless.right, rig, baseline_m=100.0)
    assert result.pose is not None
    assert result.refinement is not None
    pose, (turn, aside) = result.pose.right_from_left, result.refinement.pose_sigma_deg
    assert rotation_error_deg(pose, restless.right_from_left) < 2 * turn
    assert translation_error_deg(pose, restless.right_from_left) < 2 * aside


def moved(turn_deg: float) -> RelativePose:
    return RelativePose(rigid((0, 0, np.radians(turn_deg)), (0, 0, 0))[:3, :3], np.eye(3)[0])


def test_a_pose_that_stays_within_its_errors_is_settled() -> None:
    assert unsettled(moved(0.0), moved(0.19), (0.1, 1.0)) == 1
    # Six of its sigmas: half of that counts, less what is ordinary.
    assert unsettled(moved(0.0), moved(0.6), (0.1, 1.0)) == pytest.approx(1 + (36 - 4) / 4)
