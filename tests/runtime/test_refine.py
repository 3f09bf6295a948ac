"""The images against known ground: a rendered pair, and pairs that must not be refined."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from lunar_bench.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import NotRefinedError, StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.accuracy import measure_accuracy, plane_null


@cache
def known_pair() -> KnownPair:
    """A nadir pair of 256 px with exact depth."""
    return next(rendered_pairs(1, 256, 5))


@cache
def from_images() -> StereoResult:
    pair = known_pair()
    baseline = float(np.linalg.norm(pair.right_from_left[:3, 3]))
    return infer_geometry_only(
        pair.left, pair.right, intrinsics=pair.camera_left, baseline_m=baseline
    )


def test_the_images_alone_beat_the_plane_many_times_over():
    pair = known_pair()
    found = measure_accuracy(from_images().pointmap_left, pair.depth, pair.camera_left)
    null = plane_null(pair.depth, pair.camera_left)
    assert found.coverage == 1
    assert found.absrel_median < 0.3 * null.absrel_median
    assert found.slope_mae_deg < 0.5 * null.slope_mae_deg


def test_the_baseline_makes_metres():
    depth = from_images().depth
    assert np.nanmedian(depth / known_pair().depth) == pytest.approx(1, abs=0.005)


def test_the_pose_is_found_without_being_told():
    pair, found = known_pair(), from_images().pose.right_from_left
    turned = found[:3, :3] @ pair.right_from_left[:3, :3].T
    assert np.degrees(np.arccos((np.trace(turned) - 1) / 2)) < 0.1


def test_errors_grow_with_the_expected_error():
    view, ratio = from_images().views["left"], from_images().depth / known_pair().depth
    error = np.abs(ratio / np.median(ratio) - 1)
    sigma = view.depth_sigma / from_images().depth
    quarter = np.digitize(sigma, np.quantile(sigma, [0.25, 0.5, 0.75]))
    medians = [np.median(error[quarter == number]) for number in range(4)]
    assert medians == sorted(medians)
    assert medians[3] > 1.3 * medians[0]
    assert 0.2 < np.median(error) / np.median(sigma) < 3


def test_the_same_pair_gives_the_same_result_to_the_bit():
    pair, first = known_pair(), from_images()
    again = infer_geometry_only(
        pair.left,
        pair.right,
        intrinsics=pair.camera_left,
        baseline_m=float(np.linalg.norm(pair.right_from_left[:3, 3])),
    )
    np.testing.assert_array_equal(again.depth, first.depth)
    np.testing.assert_array_equal(again.views["left"].slope_sigma, first.views["left"].slope_sigma)


def turned_camera(pair: KnownPair) -> np.ndarray:
    """The left image from a camera that turned in place."""
    K = pair.camera_left.matrix()
    R = cv2.Rodrigues(np.array([0.02, -0.03, 0.2]))[0]
    return cv2.warpPerspective(pair.left, K @ R @ np.linalg.inv(K), pair.left.shape[::-1])


UNUSABLE = {
    "turned in place": turned_camera,
    "other ground": lambda pair: np.random.default_rng(0).integers(0, 255, pair.left.shape, "u1"),
    "mirrored": lambda pair: np.ascontiguousarray(pair.right[:, ::-1]),
}


@pytest.mark.parametrize("right", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_holds_no_geometry_is_refused(right):
    pair = known_pair()
    with pytest.raises(NotRefinedError):
        infer_geometry_only(pair.left, right(pair), intrinsics=pair.camera_left)


@pytest.fixture(scope="module")
def student():
    with StereoRuntime.load() as runtime:
        yield runtime


def test_the_network_is_what_remains_and_the_result_says_why(student):
    pair = known_pair()
    images = pair.left, np.random.default_rng(0).integers(0, 255, pair.left.shape, "u1")
    alone = student.infer(*images, intrinsics=pair.camera_left, refine="off")
    fallen_back = student.infer(*images, intrinsics=pair.camera_left, refine="auto")
    np.testing.assert_allclose(fallen_back.depth, alone.depth, rtol=1e-6)
    assert any("not refined" in warning for warning in fallen_back.warnings)
    with pytest.raises(NotRefinedError):
        student.infer(*images, intrinsics=pair.camera_left, refine="on")


def test_network_and_images_together_keep_both(student):
    pair = known_pair()
    result = student.infer(pair.left, pair.right, intrinsics=pair.camera_left, refine="on")
    fused = measure_accuracy(result.pointmap_left, pair.depth, pair.camera_left)
    network = student.infer(pair.left, pair.right, intrinsics=pair.camera_left, refine="off")
    own = measure_accuracy(network.pointmap_left, pair.depth, pair.camera_left)
    assert fused.absrel_median < 0.5 * own.absrel_median
    assert np.isfinite(result.depth).all()
    assert result.views["left"].refined.mean() > 0.4


def test_half_of_the_right_image_black_leaves_no_hole(student):
    pair = known_pair()
    right = pair.right.copy()
    right[:, : right.shape[1] // 2] = 0
    result = student.infer(pair.left, right, intrinsics=pair.camera_left, refine="auto")
    assert np.isfinite(result.depth).all()
