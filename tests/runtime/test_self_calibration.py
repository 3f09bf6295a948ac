"""The focal length from a pair: found where the camera turned, unsure where it did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import Pair
from lunar_runtime.inference import fuse as fusing
from lunar_runtime.inference.fuse import Fused, fuse
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.refinement import matching
from lunar_runtime.refinement.first_pose import features_of
from lunar_runtime.refinement.matching import Matches, match_features
from lunar_runtime.refinement.refine import refine_pose_and_surface
from lunar_runtime.refinement.self_calibration import SURE, FocalEstimate, estimate_focal

from .scenes import Ground, Scene, flat_scene, hilly_scene, rigid, two_cameras

# The right camera came nearer and turned towards what both see.
TURNING = two_cameras(Ground(relief_m=60.0), (300.0, 0.0, 300.0), size=256)
SCENE = hilly_scene()


def test_a_focal_length_is_found_from_30_percent_either_way() -> None:
    found = []
    for start in (0.7, 1.3):
        focal = estimate_focal(TURNING.views().with_focal(start, "nominal"), None)
        assert focal is not None
        assert focal.sigma < 0.2  # measured 0.17: 256 px hold few patches of 32
        assert focal.ratio * start == pytest.approx(1, abs=2 * focal.sigma)
        found.append(focal.ratio * start)
    # The start leaves no trace but the rounds' own end, a quarter of the error.
    assert found[0] == pytest.approx(found[1], abs=0.17 / 4)


def test_a_pure_translation_says_that_it_does_not_know() -> None:
    for ground in (flat_scene().ground, SCENE.ground):
        moved = Scene(ground, SCENE.left, SCENE.right, rigid((0, 0, 0), (-250, -20, 15)), 128, 128)
        focal = estimate_focal(moved.views(), None)
        assert focal is not None
        assert focal.sigma > 1
    assert SURE < 0.05


def test_features_are_looked_for_once_however_many_rounds_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[bool] = []

    def counted(*images: Any, halved: bool) -> Matches:
        looked.append(halved)
        return match_features(*images, halved=halved)

    monkeypatch.setattr(matching, "match_features", counted)
    pair = TURNING.views()
    features = features_of(pair)
    focal = estimate_focal(pair.with_focal(0.8, "nominal"), None, features)
    assert looked == [False]
    assert estimate_focal(pair.with_focal(0.8, "nominal"), None) == focal
    refine_pose_and_surface(pair, None, None, features)
    assert looked == [False, False]  # one of the second estimate, and none of the refinement


def test_images_that_do_not_match_tell_nothing() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128), np.uint8)
    pair = SCENE.views()
    assert estimate_focal(Pair(pair.left, replace(pair.right, grey=noise)), None) is None


def of_nobodys_camera(monkeypatch: pytest.MonkeyPatch, focal: FocalEstimate | None) -> Fused:
    monkeypatch.setattr(fusing, "estimate_focal", lambda *_: focal)
    pair = SCENE.views().with_focal(1.0, "nominal")
    return fuse(pair, SCENE.grid(), None, InferOptions(refine="on"), Rig())[0]


def test_a_sure_focal_length_is_the_cameras_and_its_error_the_depths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    maps = of_nobodys_camera(monkeypatch, FocalEstimate(1.01, 0.02)).maps
    assert maps.camera_left.source == maps.camera_right.source == "estimated"
    assert maps.camera_left.intrinsics.fx == pytest.approx(1.01 * SCENE.left.fx)
    assert maps.camera_left.intrinsics.cx == SCENE.left.cx
    assert maps.left.expected is not None
    assert maps.left.expected.sigma.min() >= 0.02
    assert maps.left.expected.focal_sigma == 0.02
    spread = np.sqrt(np.mean(maps.left.expected.draws**2, axis=0))
    assert np.median(spread) > 0.015  # the draws have it too


@pytest.mark.parametrize("focal", [None, FocalEstimate(1.4, 0.031)])
def test_an_unsure_focal_length_stays_nominal_and_anyones_guess(
    monkeypatch: pytest.MonkeyPatch, focal: FocalEstimate | None
) -> None:
    maps = of_nobodys_camera(monkeypatch, focal).maps
    assert maps.camera_left == SCENE.views().left.camera._replace(source="nominal")
    assert maps.left.expected is not None
    assert maps.left.expected.sigma.min() >= 0.5


def test_a_focal_length_that_was_told_is_kept() -> None:
    pair = SCENE.views()
    fused, _ = fuse(pair, SCENE.grid(), None, InferOptions(refine="on"), Rig())
    assert fused.maps.camera_left == pair.left.camera
    assert fused.maps.left.expected is not None
    assert fused.maps.left.expected.focal_sigma == 0
