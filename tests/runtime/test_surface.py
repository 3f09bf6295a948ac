"""What the network's guess is at half the resolution."""

from __future__ import annotations

import numpy as np
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.refinement.surface import NetworkGuess


def test_half_a_guess_keeps_the_means_of_its_depth_and_nothing_else() -> None:
    descriptors = np.ones((8, 8, 4), np.float32)
    pose = RelativePose(np.eye(3), np.array([1.0, 0.0, 0.0]))
    inverse = np.arange(16, dtype=np.float32).reshape(4, 4)
    halved = NetworkGuess(inverse, pose, (descriptors, descriptors)).halved()
    np.testing.assert_array_equal(halved.inverse_depth, [[2.5, 4.5], [10.5, 12.5]])
    # Pose and descriptors have done their work before anything dense begins.
    assert halved.pose is None
    assert halved.descriptors is None


def test_what_is_invalid_stays_so() -> None:
    inverse = np.ones((4, 4), np.float32)
    inverse[0, 0] = np.nan
    assert np.isnan(NetworkGuess(inverse).halved().inverse_depth).tolist() == [
        [True, False],
        [False, False],
    ]
