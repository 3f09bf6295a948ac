"""Shared cases of ground: what is none, what is another, and what is masked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime import StereoRuntime, infer_geometry_only, write_result
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import read_image
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import Refine
from lunar_runtime.refinement.acceptance import OtherGroundError
from numpy.typing import NDArray

from .cases import DATA, OBLIQUE, case, frame


def random_bytes(levels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    left, right = np.random.default_rng(0).integers(0, levels, (2, 160, 160), dtype=np.uint8)
    return left, right


def sines() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    y, x = np.mgrid[:160, :160]
    left, right = ((128 + 80 * np.sin(0.6 * (x + by) + 0.2 * y)).astype(np.uint8) for by in (0, 4))
    return left, right


@pytest.fixture(scope="module")
def packaged() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as runtime:
        yield runtime


@pytest.mark.parametrize("kind", ["white noise", "dark noise", "sine", "shared noise"])
@pytest.mark.parametrize("refine", ["auto", "off"])
def test_c01_noise_and_patterns_are_no_ground(
    kind: str, refine: Refine, packaged: StereoRuntime
) -> None:
    if kind == "shared noise":
        left, right = (read_image(case(f"noise_{side}.png")).pixels for side in "LR")
    else:
        left, right = {"white noise": random_bytes(256), "dark noise": random_bytes(6)}.get(
            kind, sines()
        )
    # Dark noise is as black and even as the sky.
    why = r"nothing but noise|a pattern that repeats itself|black and even"
    with pytest.raises(InputError, match=why):
        packaged.infer(left, right, altitude_m=1000.0, refine=refine)


def test_c01_a_picture_and_its_mask_are_no_pair(packaged: StereoRuntime) -> None:
    image = frame("Nadir_baseline_sample/paire2", 576)
    mask = np.where(image > np.median(image), np.uint8(255), np.uint8(0))
    with pytest.raises(InputError, match="right array: only 2 grey levels"):
        packaged.infer(image, mask, altitude_m=1000.0)


UNRELATED = [
    (("Nadir_baseline_sample/paire2", 576), ("Dynamic_baseline_sample/paire1", 1195)),
    (("Dynamic_baseline_sample/paire1", 1194), ("Dynamic_baseline_sample/paire2", 1165)),
]


@pytest.mark.parametrize(("one", "other"), UNRELATED)
def test_c01_two_unrelated_scenes_are_no_pair(
    one: tuple[str, int], other: tuple[str, int], packaged: StereoRuntime
) -> None:
    """Of the second, features agree on a pose: 37 of 114, about 3 % of the view."""
    with pytest.raises(OtherGroundError, match="nothing shows that the images are of the same"):
        packaged.infer(frame(*one), frame(*other), intrinsics=Intrinsics(618.04, 618.04, 256, 256))


def test_c01_one_ground_under_two_suns_is_still_guessed(packaged: StereoRuntime) -> None:
    scene = "Dynamic_baseline_sample/paire1"
    camera = Intrinsics(618.04, 618.04, 256, 256)
    result = packaged.infer(frame(scene, 1194), frame(scene, 1197), intrinsics=camera)
    assert result.verdict == "guessed"
    assert result.confidence.max() <= 1.5  # below what images measure


def test_c03_a_baseline_makes_no_metres_of_a_pose_that_the_images_refuse() -> None:
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(frame(OBLIQUE, 434), frame(OBLIQUE, 437), baseline_m=11337.0)
    assert (found.unit, found.verdict) == ("relative", "guessed")
    assert "the geometry is the network's alone" in found.verdict_reasons


def sky_over_ground(
    scene: str, number: int, noise_dn: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A frame whose upper 40 % are black, and where that is."""
    image = frame(scene, number).copy()
    sky = np.zeros(image.shape, bool)
    sky[:205] = True
    noise = np.random.default_rng(number).normal(3, noise_dn, image.shape)
    image[sky] = np.clip(noise, 0, 255).astype(np.uint8)[sky] if noise_dn else 0
    return image, sky


@pytest.mark.parametrize("noise_dn", [0.0, 2.0])
@pytest.mark.parametrize(
    ("scene", "number"), [(OBLIQUE, 432), ("Nadir_baseline_sample/paire2", 576)]
)
def test_c16_black_sky_is_nan_and_the_scale_is_the_grounds(
    scene: str, number: int, noise_dn: float
) -> None:
    """1 %: the plane of the ground in view is .2 % off, with the sky in it up to 5.7 %."""
    left, sky = sky_over_ground(scene, number, noise_dn)
    right, _ = sky_over_ground(scene, number + 1, noise_dn)
    family, name = scene.split("/")
    truth = DATA / "stereolunar_depth" / f"{family.split('_')[0]}_{name}_L.npz"
    depth = np.load(truth)["depth_m"]
    camera = Intrinsics(618.04, 618.04, 256, 256)
    ground = np.where(sky, np.nan, depth)[..., None] * pixel_rays(camera, 512, 512)
    altitude_m = fit_plane(ground).camera_height
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(left, right, Rig(left=camera), altitude_m=altitude_m)
    assert found.unit == "m"
    # Of slopes it says that their up is that of the part in view.
    assert any(reason.startswith("up is that of a pl") for reason in found.verdict_reasons)
    view = found.views["left"]
    for values in (view.depth, view.slope, view.confidence, view.depth_sigma, view.slope_sigma):
        assert values is not None
        assert np.isnan(values[sky]).all()
    known = np.isfinite(view.depth)
    assert 0.55 < known.mean() < 0.6
    assert np.median(view.depth[known] / depth[known]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["wedge", "alpha", "NaN"])
def test_c15_a_masked_wedge_is_nan_in_the_last_map(kind: str) -> None:
    wedge = np.add.outer(np.arange(512), np.arange(512)) < 250
    images: list[NDArray[np.generic]] = []
    for number in (432, 433):
        image = frame(OBLIQUE, number)
        grey = np.where(wedge, np.uint8(255 if number % 2 else 0), image)
        images.append(
            {
                "wedge": grey,
                "alpha": np.dstack([image, image, image, np.where(wedge, 0, 255).astype(np.uint8)]),
                "NaN": np.where(wedge, np.nan, image).astype(np.float32),
            }[kind]
        )
    rig = Rig(left=Intrinsics(618.04, 618.04, 256, 256))
    found = infer_geometry_only(images[0], images[1], rig, view="both")
    for view in found.views.values():
        for values in (view.depth, view.slope, view.confidence):
            assert np.isnan(values[wedge]).all()
            assert np.isfinite(values[~wedge]).mean() > 0.98


@pytest.mark.parametrize("name", ["nodata16", "planar16"])
def test_c08_c10_what_a_nominal_camera_calls_level_may_be_steep(
    name: str, packaged: StereoRuntime
) -> None:
    """A crater wall fills these windows: 82 % of it is steeper than 15 degrees."""
    found = packaged.infer(case(f"{name}_L.tif"), case(f"{name}_R.tif"), altitude_m=31000.0)
    assert (found.unit, found.verdict) == ("relative", "guessed")
    low, high = found.views["left"].steep_ranges[15]
    assert low < 0.82 < high


def test_c08_special_pixels_are_nan_in_the_last_map(tmp_path: Path) -> None:
    paths = case("nodata16_L.tif"), case("nodata16_R.tif")
    rig = Rig(left=Intrinsics(618.04, 618.04, 76, 76))
    found = infer_geometry_only(*paths, rig, altitude_m=31000.0)
    valid = read_image(paths[0]).valid
    assert valid is not None
    assert np.isnan(found.depth[~valid]).all()
    assert np.isfinite(found.depth[valid]).mean() > 0.9  # a black crater floor ends at the border
    report = write_result(found, tmp_path / "out")
    assert report.left.masked["file"] == pytest.approx(70 / 160**2)
    assert report.views[0].valid_fraction == pytest.approx(1 - sum(report.left.masked.values()))
