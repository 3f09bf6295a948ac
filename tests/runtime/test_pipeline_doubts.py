"""What a pair's result is not to be trusted with: its warnings, its holes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from lunar_runtime import NotRefinedError
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.manifest import Manifest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.geometry_only import infer_geometry_only
from lunar_runtime.inference.result import Side
from numpy.typing import NDArray

from .images import unsaturated
from .network_alone import Grey, Images, NetworkAlone, load
from .scenes import hilly_scene

if TYPE_CHECKING:
    from .plane_scene import PlaneScene

Outputs = dict[str, NDArray[np.float32]]
MakeBundle = Callable[..., Path]
MakeOutputs = Callable[..., Outputs]

# The pose is the least-squares one of 4096 float32 points; its noise is well under a rounding of a
# pixel coordinate at 64 px, 4e-6.
POSE = 1e-5


@pytest.fixture(scope="module")
def runtime(bundles: dict[str, Path]) -> Iterator[NetworkAlone]:
    with load(bundles["both"], threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def images(make_texture: Callable[..., Grey]) -> Images:
    return unsaturated(make_texture(1)), unsaturated(make_texture(2))


def test_low_confidence_becomes_nan_in_depth_slope_and_pointmaps(
    runtime: NetworkAlone, images: Images
) -> None:
    result = runtime.infer(*images, view="both", min_confidence="30%")
    assert result.pointmap_right is not None
    sides: tuple[tuple[Side, NDArray[np.float32]], ...] = (
        ("left", result.pointmap_left),
        ("right", result.pointmap_right),
    )
    for side, points in sides:
        view = result.views[side]
        low = view.confidence < np.quantile(view.confidence, 0.3, method="higher")
        assert 0.25 < low.mean() <= 0.3  # grey levels repeat
        np.testing.assert_array_equal(np.isnan(view.depth), low)
        np.testing.assert_array_equal(np.isnan(points).any(axis=-1), low)
        assert np.isnan(view.slope[low]).all()
        assert np.isfinite(view.confidence).all()


def test_not_finite_outputs_become_nan_and_are_counted(
    tmp_path: Path,
    make_bundle: MakeBundle,
    make_outputs: MakeOutputs,
    scene: PlaneScene,
    images: Images,
) -> None:
    outputs = make_outputs(scene, "both")
    outputs["pointmap_left"][0, 10:12, 20] = [np.nan, np.inf, 1.0]
    outputs["confidence_left"][0, 40, 41] = np.inf
    folder = make_bundle(tmp_path / "b", "both", outputs)
    with load(folder) as runtime:
        result = runtime.infer(*images)
    assert result.not_finite == {"pointmap_left": 2, "confidence_left": 1}
    assert np.isnan(result.depth).sum() == 3
    assert "pointmap_left: 2 of 4096 pixels are not finite" in result.warnings


def test_points_behind_the_camera_become_nan_and_are_counted(
    tmp_path: Path,
    make_bundle: MakeBundle,
    make_outputs: MakeOutputs,
    scene: PlaneScene,
    images: Images,
) -> None:
    outputs = make_outputs(scene, "left")
    outputs["pointmap_left"][0, 5, :7, 2] = -1.0
    with load(make_bundle(tmp_path / "b", "left", outputs)) as runtime:
        result = runtime.infer(*images)
    assert np.isnan(result.depth).sum() == 7
    assert "left: 7 of 4096 points lie behind the camera" in result.warnings


def test_a_pointmap_that_no_camera_sees_is_doubted(
    tmp_path: Path,
    make_bundle: MakeBundle,
    make_outputs: MakeOutputs,
    scene: PlaneScene,
    images: Images,
) -> None:
    outputs = make_outputs(scene, "left")
    outputs["pointmap_left"][..., 2] /= 10  # f = 8 px at 64 px: 152 degrees
    with load(make_bundle(tmp_path / "b", "left", outputs)) as runtime:
        assert "camera: the pointmap spans 152 degrees" in runtime.infer(*images).warnings[0]
        given = runtime.infer(*images, intrinsics=scene.intrinsics)
    assert given.warnings == ()


def test_a_bundle_that_failed_its_gate_says_so_every_time(
    tmp_path: Path, bundles: dict[str, Path], make_manifest: Callable[..., Manifest], images: Images
) -> None:
    files = {name: bundles["left"] / name for name in ("model.onnx", "golden.npz")}
    bundle = write_bundle(tmp_path / "b", make_manifest("left", gate="failed"), files)
    with load(bundle) as runtime:
        assert runtime.infer(*images).warnings[0].startswith("bundle: it did not pass")


def test_a_left_bundle_gives_the_left_view(
    bundles: dict[str, Path], images: Images, scene: PlaneScene
) -> None:
    with load(bundles["left"]) as runtime:
        result = runtime.infer(*images, altitude_m=scene.altitude_m)
    assert result.pointmap_right is None
    assert result.pose is None
    truth = scene.pointmap_left()[..., 2] * scene.metres_per_unit
    np.testing.assert_allclose(result.depth, truth, rtol=POSE)


@pytest.mark.parametrize("options", [{"view": "right"}, {"view": "both"}])
def test_a_left_bundle_cannot_do_what_needs_the_right_pointmap(
    bundles: dict[str, Path], images: Images, options: dict[str, Any]
) -> None:
    with (
        load(bundles["left"]) as runtime,
        pytest.raises(UsageError, match=r"needs the right pointmap.*lunar-export --outputs both"),
    ):
        runtime.infer(*images, **options)


def test_a_left_bundle_says_that_the_rigs_baseline_is_of_no_use(
    bundles: dict[str, Path], images: Images, scene: PlaneScene
) -> None:
    rig = Rig(right_from_left=scene.right_from_left)
    with load(bundles["left"]) as runtime:
        result = runtime.infer(*images, rig)
    assert result.unit == "relative"
    assert any("depth stays relative" in warning for warning in result.warnings)


def test_a_network_alone_makes_metres_of_an_altitude_and_of_nothing_else(
    bundles: dict[str, Path], images: Images, scene: PlaneScene
) -> None:
    rig = Rig(right_from_left=scene.right_from_left)
    with load(bundles["both"]) as runtime:
        told = runtime.infer(*images, rig)
        scaled = runtime.infer(*images, rig, altitude_m=100.0)
        with pytest.raises(UsageError, match="with a pose that the images measured; leave out"):
            runtime.infer(*images, baseline_m=10.0)
    assert told.unit == "relative"
    assert any("a baseline makes no metres" in warning for warning in told.warnings)
    assert (scaled.unit, scaled.verdict) == ("m", "guessed")


def test_without_overlap_the_pose_is_a_warning_until_somebody_needs_it(
    tmp_path: Path,
    make_bundle: MakeBundle,
    make_outputs: MakeOutputs,
    scene: PlaneScene,
    images: Images,
) -> None:
    outputs = make_outputs(scene, "both")
    rng = np.random.default_rng(0)
    outputs["pointmap_right"] = rng.uniform(-5, 5, (1, 64, 64, 3)).astype(np.float32)
    with load(make_bundle(tmp_path / "b", "both", outputs)) as runtime:
        result = runtime.infer(*images)
        assert result.pose is None
        assert any(warning.startswith("pose: no camera pose") for warning in result.warnings)
        with pytest.raises(InputError, match="no camera pose explains"):
            runtime.infer(*images, view="right")


GROUND = hilly_scene(128)


def other_sun() -> Grey:
    """What was bright is dark."""
    return np.asarray(255 - GROUND.grey_right, np.uint8)


def test_the_network_is_what_remains_and_the_result_says_why(runtime: NetworkAlone) -> None:
    """Of images under two suns."""
    images, camera = (GROUND.grey_left, other_sun()), GROUND.left
    alone = runtime.infer(*images, intrinsics=camera)
    fallen_back = runtime.refining.infer(*images, intrinsics=camera, refine="auto")
    large = cv2.resize(alone.depth, (128, 128))  # bilinear, to the grid of the images
    np.testing.assert_allclose(fallen_back.depth, large, rtol=1e-6)
    assert any("not refined" in warning for warning in fallen_back.warnings)
    assert fallen_back.refinement is not None
    assert not fallen_back.refinement.done
    with pytest.raises(NotRefinedError):
        runtime.refining.infer(*images, intrinsics=camera, refine="on")


def test_half_of_the_right_image_black_leaves_no_hole(runtime: NetworkAlone) -> None:
    scene = hilly_scene(128)
    right = scene.grey_right.copy()
    right[:, :64] = 0
    for image in (right, scene.grey_right):
        result = runtime.refining.infer(scene.grey_left, image, intrinsics=scene.left)
        assert result.depth.shape == (128, 128)
        assert np.isfinite(result.depth).all()


def test_convention_the_mapping_leads_back_to_the_images_pixels() -> None:
    """Every pixel's point projects, with the image's own camera, to where the mapping leads."""
    scene = hilly_scene(128)
    left, right = (
        np.pad(grey, ((0, 0), (8, 8)), mode="reflect")
        for grey in (scene.grey_left, scene.grey_right)
    )
    camera = Intrinsics(scene.left.fx, scene.left.fy, scene.left.cx + 8, scene.left.cy)
    result = infer_geometry_only(left, right, intrinsics=camera, baseline_m=scene.baseline_m)
    assert result.depth.shape == (128, 144)
    pixel = result.pointmap_left.astype(np.float64) @ camera.matrix().T
    row, column = np.mgrid[:128, :144]
    grid = np.stack([column + 0.5, row + 0.5], axis=-1)
    np.testing.assert_allclose(
        pixel[..., :2] / pixel[..., 2:], result.mapping.points_to_source(grid), atol=1e-4
    )  # float32 rays of 140 px
    np.testing.assert_array_equal(result.depth, result.pointmap_left[..., 2])  # Z, not the range


def test_without_a_network_the_cameras_must_be_known() -> None:
    with pytest.raises(UsageError, match=r"give `intrinsics` FX,FY,CX,CY or a `rig` with them"):
        infer_geometry_only(GROUND.grey_left, GROUND.grey_right)
    result = infer_geometry_only(GROUND.grey_left, GROUND.grey_right, Rig(left=GROUND.left))
    assert result.model is None
    assert result.network is None
    assert list(result.timings_ms) == ["read", "refine", "geometry"]
