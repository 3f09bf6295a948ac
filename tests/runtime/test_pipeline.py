"""The plane of conftest.py through ONNX Runtime: depth, slope, scale and pose in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lunar_runtime.errors import BackendError, GateError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.inference.network_error import (
    UNKNOWN_DEPTH_ERROR,
    confidence_of,
    network_sigma,
)
from lunar_runtime.inference.options import ViewChoice
from lunar_runtime.inference.result import PairImage, Side
from numpy.typing import NDArray

from .images import unsaturated
from .network_alone import Grey, Images, NetworkAlone, load

if TYPE_CHECKING:
    from .plane_scene import PlaneScene

Outputs = dict[str, NDArray[np.float32]]
MakeBundle = Callable[..., Path]
MakeOutputs = Callable[..., Outputs]

TILT_DEG = 12.0  # of the plane in conftest.py, about y, against the left optical axis

# float32 pointmaps: 2**-24 = 6e-8 relative, after a handful of operations.
ROUNDING = 1e-6
# The pose is the least-squares one of 4096 float32 points; its noise is well under a rounding of a
# pixel coordinate at 64 px, 4e-6.
POSE = 1e-5
# arccos near 0° turns a cosine's float32 rounding into sqrt(2 * 6e-8) rad = 0.02°.
SLOPE_DEG = 0.03


@pytest.fixture(scope="module")
def runtime(bundles: dict[str, Path]) -> Iterator[NetworkAlone]:
    with load(bundles["both"], threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def images(make_texture: Callable[..., Grey]) -> Images:
    return unsaturated(make_texture(1)), unsaturated(make_texture(2))


def test_without_a_known_length_depth_is_the_networks_and_relative(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    result = runtime.infer(*images)
    assert result.unit == "relative"
    np.testing.assert_allclose(result.depth, scene.pointmap_left()[..., 2], rtol=ROUNDING)


def test_slope_of_the_plane_from_its_own_normal_is_zero(
    runtime: NetworkAlone, images: Images
) -> None:
    result = runtime.infer(*images)
    assert result.up.source == "plane"
    assert np.nanmax(result.slope) < SLOPE_DEG


@pytest.mark.parametrize("view", ["left", "right"])
def test_slope_from_the_rigs_up_is_the_tilt_in_both_views(
    runtime: NetworkAlone, images: Images, view: ViewChoice
) -> None:
    result = runtime.infer(*images, Rig(up_left=np.array([0.0, 0.0, -1.0])), view=view)
    assert result.up.source == "rig"
    np.testing.assert_allclose(result.slope, TILT_DEG, atol=SLOPE_DEG)


def test_altitude_makes_depth_metres(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    result = runtime.infer(*images, altitude_m=scene.altitude_m)
    assert (result.unit, result.scale.source) == ("m", ScaleSource.ALTITUDE)
    truth = scene.pointmap_left()[..., 2] * scene.metres_per_unit
    np.testing.assert_allclose(result.depth, truth, rtol=POSE)
    assert result.plane is not None
    assert result.plane.camera_height == pytest.approx(scene.altitude_m, rel=POSE)


def test_a_given_altitude_wins_over_the_rigs_baseline(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    metric = scene.right_from_left.copy()
    metric[:3, 3] *= scene.metres_per_unit
    rig = Rig(left=scene.intrinsics, right_from_left=metric)
    result = runtime.infer(*images, rig, altitude_m=scene.altitude_m)
    assert result.scale.source is ScaleSource.ALTITUDE


def test_right_view_is_the_right_pointmap_carried_into_the_right_camera(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    result = runtime.infer(*images, view="right", intrinsics=scene.intrinsics)
    assert set(result.views) == {"right"}
    np.testing.assert_allclose(result.depth, scene.depth_right(), rtol=POSE)
    assert result.pose is not None
    np.testing.assert_allclose(result.pose.right_from_left, scene.right_from_left, atol=POSE * 5)


def test_both_views_agree_with_each_asked_for_alone(runtime: NetworkAlone, images: Images) -> None:
    both = runtime.infer(*images, view="both")
    assert both.primary == "left"
    for view in ("left", "right"):
        alone = runtime.infer(*images, view=view)
        np.testing.assert_array_equal(both.views[view].depth, alone.depth)
        np.testing.assert_array_equal(both.views[view].slope, alone.slope)


def test_intrinsics_are_the_pointmaps_unless_given(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    nominal = runtime.infer(*images)
    assert nominal.camera_left.source == "nominal"
    assert nominal.camera_left.intrinsics.fx == pytest.approx(scene.intrinsics.fx, rel=POSE)
    assert nominal.camera_right.source == "nominal (left)"
    given = Intrinsics(70.0, 71.0, 30.0, 31.0)
    rig = Rig(left=Intrinsics(60.0, 60.0, 32.0, 32.0))
    assert runtime.infer(*images, rig).camera_left.source == "rig"
    assert runtime.infer(*images, rig, intrinsics=given).camera_left == (given, "option")


def test_intrinsics_are_in_pixels_of_the_images_as_given(
    runtime: NetworkAlone, make_texture: Callable[..., Grey], scene: PlaneScene
) -> None:
    """Images of 128 px for a network of 64: the same camera has twice the focal length there."""
    images = make_texture(1, 128, 128), make_texture(2, 128, 128)
    result = runtime.infer(*images, intrinsics=Intrinsics(160.0, 160.0, 64.0, 64.0))
    assert result.camera_left.intrinsics == scene.intrinsics


def test_confidence_is_that_of_the_pixels_the_network_saw(
    runtime: NetworkAlone, make_texture: Callable[..., Grey]
) -> None:
    images = unsaturated(make_texture(1, 100, 128)), unsaturated(make_texture(2, 100, 128))
    result = runtime.infer(*images, view="both")
    sides: tuple[tuple[Side, PairImage], ...] = (("left", result.left), ("right", result.right))
    for side, pair_image in sides:
        own = 1 + pair_image.grey.astype(np.float32) / np.float32(255)
        expected = confidence_of(network_sigma(own, UNKNOWN_DEPTH_ERROR))
        np.testing.assert_allclose(result.views[side].confidence, expected, rtol=ROUNDING)
    assert (result.mapping.crop_x, result.mapping.crop_width) == (0, 128)
    assert result.depth.shape == (50, 64)


def test_paths_and_arrays_give_the_same(
    runtime: NetworkAlone, pair: tuple[Path, Path], make_texture: Callable[..., Grey]
) -> None:
    from_files = runtime.infer(str(pair[0]), pair[1])
    from_arrays = runtime.infer(*(unsaturated(make_texture(seed)) for seed in (0, 1)))
    np.testing.assert_array_equal(from_files.depth, from_arrays.depth)
    np.testing.assert_array_equal(from_files.confidence, from_arrays.confidence)
    assert from_files.left.source.sha256
    assert from_arrays.left.source.sha256 is None


def test_paper_slope_is_marked_as_not_physical(
    runtime: NetworkAlone, images: Images, scene: PlaneScene
) -> None:
    result = runtime.infer(*images, slope="paper")
    assert any("not physical" in warning for warning in result.warnings)
    # Inside, the Sobel gradient of a nearly linear depth is its difference per pixel.
    gradient = np.gradient(scene.pointmap_left()[..., 2])
    expected = np.degrees(np.arctan(np.hypot(*gradient)))
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(result.slope[inner], expected[inner], atol=SLOPE_DEG)


def test_all_outputs_serve_like_both(
    bundles: dict[str, Path], images: Images, runtime: NetworkAlone
) -> None:
    with load(bundles["all"]) as everything:
        result = everything.infer(*images, view="both")
    np.testing.assert_array_equal(result.depth, runtime.infer(*images, view="both").depth)


def test_the_same_pair_gives_the_same_result_twice(runtime: NetworkAlone, images: Images) -> None:
    first, second = (runtime.infer(*images, view="both", altitude_m=600.0) for _ in range(2))
    for side in first.views:
        np.testing.assert_array_equal(first.views[side].depth, second.views[side].depth)
    assert first.pose is not None
    assert second.pose is not None
    np.testing.assert_array_equal(first.pose.right_from_left, second.pose.right_from_left)


def test_golden_pair_passes_on_this_machine(runtime: NetworkAlone) -> None:
    errors = runtime.check_golden()
    assert set(errors) == {
        f"{kind}_{side}" for kind in ("pointmap", "confidence") for side in ("left", "right")
    }
    assert max(errors.values()) < ROUNDING


def test_a_machine_that_computes_something_else_fails_the_golden_pair(
    tmp_path: Path, make_bundle: MakeBundle, make_outputs: MakeOutputs, scene: PlaneScene
) -> None:
    outputs = make_outputs(scene, "left")
    expected = {**outputs, "pointmap_left": outputs["pointmap_left"] * np.float32(1.01)}
    with (
        load(make_bundle(tmp_path / "b", "left", outputs, expected), self_test="never") as runtime,
        pytest.raises(GateError, match=r"pointmap_left is off by 0\.0099 on average, 1e-05 is"),
    ):
        runtime.check_golden()


def test_a_closed_runtime_says_so(bundles: dict[str, Path], images: Images) -> None:
    with load(bundles["left"]) as runtime:
        pass
    with pytest.raises(BackendError, match="closed; load the bundle again"):
        runtime.infer(*images)


def test_every_stage_is_timed(runtime: NetworkAlone, images: Images) -> None:
    assert list(runtime.infer(*images).timings_ms) == ["read", "prepare", "network", "geometry"]


@pytest.mark.parametrize(
    ("view", "primary"), [("left", "left"), ("right", "right"), ("both", "left")]
)
def test_the_plain_names_are_the_primary_views(
    runtime: NetworkAlone, images: Images, view: ViewChoice, primary: Side
) -> None:
    result = runtime.infer(*images, view=view)
    assert result.primary == primary
    assert result.depth is result.views[primary].depth
    assert result.slope is result.views[primary].slope
    assert result.confidence is result.views[primary].confidence
