"""Files of the shared cases, and calls that their list tells of: the right value of each.

Here are those of reading and writing, and two of the cameras. The files lie in ../shared/cases, or
where LUNAR_CASES says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from lunar_runtime import StereoRuntime, infer_geometry_only, write_result
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.files.pair_lists import read_pairs
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig, RigPose, read_rig
from lunar_runtime.inference.options import Refine
from lunar_runtime.refinement.acceptance import OtherGroundError
from numpy.typing import NDArray

from .lenses import inner, taken_through

SHARED = Path(__file__).resolve().parents[3] / "shared"
CASES = Path(os.environ.get("LUNAR_CASES", SHARED / "cases"))
DATA = Path(os.environ.get("LUNAR_DATA", SHARED / "data"))

Frame = Callable[[str, int], NDArray[np.uint8]]


def case(name: str) -> Path:
    if not (CASES / name).exists():
        pytest.skip(f"no shared case {CASES / name} (LUNAR_CASES)")
    return CASES / name


@pytest.fixture
def frame() -> Frame:
    def read(scene: str, number: int) -> NDArray[np.uint8]:
        path = DATA / "stereolunar" / scene / f"im_{number:05d}.jpg"
        if not path.exists():
            pytest.skip(f"no StereoLunar frame {path} (LUNAR_DATA)")
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        return np.asarray(image, np.uint8)

    return read


SIDES = [("L", 576, 432), ("R", 577, 433)]


def nadir(frame: Frame, number: int) -> NDArray[np.uint16]:
    """What the 16-bit cases are made of."""
    image = frame("Nadir_baseline_sample/paire2", number)[180:340, 180:340]
    return image.astype(np.uint16) * 8 + 100


def near(image: GreyImage, other: GreyImage) -> None:
    """The same grey levels where both are valid, but for the rounding of two stretches."""
    valid = np.ones(image.pixels.shape, bool) if image.valid is None else image.valid
    difference = image.pixels.astype(int) - other.pixels.astype(int)
    assert np.abs(difference[valid]).max() <= 1


@pytest.mark.parametrize(("side", "number", "_"), SIDES)
def test_c08_special_pixels_are_masked(side: str, number: int, _: int, frame: Frame) -> None:
    image = read_image(case(f"nodata16_{side}.tif"))
    assert image.valid is not None
    assert np.count_nonzero(~image.valid) == 70
    assert len(np.unique(image.pixels)) > 150  # six before
    near(image, grey_from_array(nadir(frame, number)))


@pytest.mark.parametrize("value", [-3.4028234663852886e38, -9999.0])
def test_c08_wedges_of_two_constants_are_masked(value: float, frame: Frame) -> None:
    values = nadir(frame, 576).astype(np.float32)
    wedge = np.tri(160, dtype=bool)[::-1][:, ::-1] & (np.arange(160) < 60)
    values[wedge] = value
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~wedge)


def test_c08_65535_is_masked(frame: Frame) -> None:
    values = nadir(frame, 576)
    values.ravel()[::80] = 65535
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, values != 65535)


@pytest.mark.parametrize(("side", "_", "number"), SIDES)
def test_c09_the_orientation_tag_turns_nothing(
    side: str, _: int, number: int, frame: Frame
) -> None:
    image = read_image(case(f"orient3_{side}.tif"))
    expected = frame("Oblique_baseline_sample/paire1", number)[96:416, 96:416]
    np.testing.assert_array_equal(image.pixels, expected)


@pytest.mark.parametrize(("side", "number", "_"), SIDES)
def test_c10_planes_of_16_bits_are_one_picture(
    side: str, number: int, _: int, frame: Frame
) -> None:
    image = read_image(case(f"planar16_{side}.tif"))
    assert (image.dtype, image.channels) == ("uint16", 3)
    near(image, grey_from_array(nadir(frame, number)))


def test_c22_a_big_endian_colour_array_is_read_as_a_native_one(frame: Frame) -> None:
    values = np.stack([nadir(frame, 576)] * 3, axis=2)
    near(grey_from_array(values.astype(">u2")), grey_from_array(values))


@pytest.mark.parametrize("kind", ["alpha", "np.ma", "NaN"])
def test_c15_what_is_marked_invalid_is_masked(kind: str, frame: Frame) -> None:
    values = nadir(frame, 576)
    wedge = np.tri(160, dtype=bool)
    given: NDArray[np.generic] = {
        "alpha": lambda: np.dstack([values, values, values, (~wedge).astype(np.uint16)]),
        "np.ma": lambda: np.ma.masked_array(values, wedge),  # type: ignore[no-untyped-call]
        "NaN": lambda: np.where(wedge, np.nan, values).astype(np.float32),
    }[kind]()
    image = grey_from_array(given)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~wedge)


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


def test_c01_a_picture_and_its_mask_are_no_pair(frame: Frame, packaged: StereoRuntime) -> None:
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
    one: tuple[str, int], other: tuple[str, int], frame: Frame, packaged: StereoRuntime
) -> None:
    """Of the second, features agree on a pose: 37 of 114, about 3 % of the view."""
    with pytest.raises(OtherGroundError, match="nothing shows that the images are of the same"):
        packaged.infer(frame(*one), frame(*other), intrinsics=Intrinsics(618.04, 618.04, 256, 256))


def test_c01_one_ground_under_two_suns_is_still_guessed(
    frame: Frame, packaged: StereoRuntime
) -> None:
    scene = "Dynamic_baseline_sample/paire1"
    camera = Intrinsics(618.04, 618.04, 256, 256)
    result = packaged.infer(frame(scene, 1194), frame(scene, 1197), intrinsics=camera)
    assert result.verdict == "guessed"
    assert result.confidence.max() <= 1.5  # below what images measure


def test_c02_names_pair_left_with_right_or_fail(tmp_path: Path) -> None:
    for name in ("left_000", "left_001", "right_000", "right_001"):
        (tmp_path / f"{name}.png").touch()
    assert [(p.left.stem, p.right.stem) for p in read_pairs(tmp_path)] == [
        ("left_000", "right_000"),
        ("left_001", "right_001"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("im_0", "im_0_mask"),
        ("f_000", "f_002", "f_003", "f_005"),
        ("f_000", "f_001", "f_003", "f_004"),
    ],
)
def test_c02_names_that_do_not_pair_fail(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / f"{name}.png").touch()
    with pytest.raises(InputError, match="list the pairs in a CSV file"):
        read_pairs(tmp_path)


def test_c29_a_row_cannot_leave_the_folder_of_results(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("left,right,out\na.png,b.png,../..\n")
    with pytest.raises(InputError, match=r"line 2: out '../..' leaves the folder of all results"):
        read_pairs(tmp_path / "pairs.csv")


def test_c30_a_rig_with_windows_mark_is_read(tmp_path: Path) -> None:
    rig = {"left": {"intrinsics": [500, 500, 256, 256]}}
    (tmp_path / "rig.json").write_text(json.dumps(rig), encoding="utf-8-sig")
    left = read_rig(tmp_path / "rig.json").left
    assert left is not None
    assert left.fx == 500


OBLIQUE = "Oblique_baseline_sample/paire1"


def test_c03_a_baseline_makes_no_metres_of_a_pose_that_the_images_refuse(frame: Frame) -> None:
    with StereoRuntime.load(threads=1) as runtime:
        found = runtime.infer(frame(OBLIQUE, 434), frame(OBLIQUE, 437), baseline_m=11337.0)
    assert (found.unit, found.verdict) == ("relative", "guessed")
    assert "the geometry is the network's alone" in found.verdict_reasons


def test_c12_an_up_that_points_down_is_refused(frame: Frame) -> None:
    rig = read_rig(case("rig_up_down.json"))
    with pytest.raises(InputError, match=r"up_left is 17\d degrees from the normal of the ground"):
        infer_geometry_only(frame(OBLIQUE, 432), frame(OBLIQUE, 433), rig)


def sky_over_ground(
    frame: Frame, scene: str, number: int, noise_dn: float
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
    scene: str, number: int, noise_dn: float, frame: Frame
) -> None:
    """1 %: the plane of the ground in view is .2 % off, with the sky in it up to 5.7 %."""
    left, sky = sky_over_ground(frame, scene, number, noise_dn)
    right, _ = sky_over_ground(frame, scene, number + 1, noise_dn)
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
    assert [reason[:18] for reason in found.verdict_reasons] == ["up is that of a pl"]
    view = found.views["left"]
    for values in (view.depth, view.slope, view.confidence, view.depth_sigma, view.slope_sigma):
        assert values is not None
        assert np.isnan(values[sky]).all()
    known = np.isfinite(view.depth)
    assert 0.55 < known.mean() < 0.6
    assert np.median(view.depth[known] / depth[known]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["wedge", "alpha", "NaN"])
def test_c15_a_masked_wedge_is_nan_in_the_last_map(kind: str, frame: Frame) -> None:
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


class Known(NamedTuple):
    """A StereoLunar pair with its cameras."""

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    camera: Intrinsics
    right_from_left: NDArray[np.float64]
    depth_m: NDArray[np.float32]

    def rig(self, **changes: Any) -> Rig:
        return replace(Rig(self.camera, self.camera, self.right_from_left), **changes)


@pytest.fixture
def known(frame: Frame) -> Callable[[str, int, str], Known]:
    def read(scene: str, number: int, depth: str) -> Known:
        left, right = frame(scene, number), frame(scene, number + 1)
        folder = DATA / "stereolunar" / scene
        cameras = [np.load(folder / f"im_{n:05d}.npz") for n in (number, number + 1)]
        poses = [camera["cam2world"].astype(np.float64) for camera in cameras]
        truth = np.load(DATA / "stereolunar_depth" / f"{depth}_L.npz")["depth_m"]
        camera = Intrinsics.from_matrix(cameras[0]["intrinsics"].astype(np.float64))
        return Known(left, right, camera, np.linalg.inv(poses[1]) @ poses[0], truth)

    return read


def window(pair: Known, at: tuple[int, int], size: int) -> tuple[Known, Intrinsics]:
    """A window of the left image, the one of the right image that shows its middle, and its K."""
    k, middle = pair.camera, np.array(at) + size // 2
    z = pair.depth_m[middle[1], middle[0]]
    point = np.array([(middle[0] - k.cx) / k.fx, (middle[1] - k.cy) / k.fy, 1.0]) * z
    seen = pair.right_from_left[:3, :3] @ point + pair.right_from_left[:3, 3]
    there = (seen[:2] / seen[2] * [k.fx, k.fy] + [k.cx, k.cy]).astype(int) - size // 2
    cut = [np.s_[y : y + size, x : x + size] for x, y in (at, there)]
    left, right = (Intrinsics(k.fx, k.fy, k.cx - x, k.cy - y) for x, y in (at, there))
    return (
        Known(
            pair.left[cut[0]], pair.right[cut[1]], left, pair.right_from_left, pair.depth_m[cut[0]]
        ),
        right,
    )


NADIR = "Nadir_baseline_sample/paire2"


@pytest.mark.parametrize("change", [{"f": 1.05}, {"f": 0.95}, {"cx": 30.0}, {"size": 2.0}])
@pytest.mark.parametrize("scene", [(NADIR, 576, "Nadir_paire2"), (OBLIQUE, 432, "Oblique_paire1")])
def test_c06_c07_intrinsics_that_are_wrong_do_not_fit_the_rig(
    scene: tuple[str, int, str],
    change: dict[str, float],
    known: Callable[[str, int, str], Known],
) -> None:
    pair = known(*scene)
    f = change.get("f", 1.0) * change.get("size", 1.0)
    k = pair.camera.scaled(change.get("size", 1.0), change.get("size", 1.0))
    wrong = Intrinsics(f * pair.camera.fx, f * pair.camera.fy, k.cx + change.get("cx", 0.0), k.cy)
    rig = pair.rig(left=wrong, right=wrong)
    try:
        found = infer_geometry_only(pair.left, pair.right, rig)
    except InputError:
        return
    assert found.verdict == "guessed"


def test_c13_exchanged_images_are_found_by_the_rigs_up(
    known: Callable[[str, int, str], Known],
) -> None:
    pair = known(OBLIQUE, 432, "Oblique_paire1")
    up = read_rig(case("rig_crop_up.json")).up_left
    rig = Rig(pair.camera, pair.camera, up_left=up)
    infer_geometry_only(pair.left, pair.right, rig, altitude_m=24429.0)
    with pytest.raises(InputError, match="are the images exchanged"):
        infer_geometry_only(pair.right, pair.left, rig, altitude_m=24429.0)


@pytest.mark.parametrize("k1", [-0.1, -0.25])
def test_c14_a_lens_that_nobody_told_is_found_and_one_that_is_told_costs_nothing(
    k1: float, known: Callable[[str, int, str], Known]
) -> None:
    pair, margin, lens = known(NADIR, 576, "Nadir_paire2"), 36, Distortion(k1=k1)
    k, middle = inner(pair.camera, 512, margin)
    images = pair.left, pair.right
    bent_left, bent_right = (taken_through(one, pair.camera, lens, margin) for one in images)
    left, right = (one[middle, middle] for one in images)
    truth = pair.depth_m[middle, middle]
    rig = pair.rig(left=k, right=k)
    without = infer_geometry_only(left, right, rig)
    told = infer_geometry_only(
        bent_left, bent_right, replace(rig, distortion_left=lens, distortion_right=lens)
    )
    assert told.verdict == "measured"
    errors = [np.nanmedian(np.abs(one.depth / truth - 1)) for one in (told, without)]
    assert errors[0] < errors[1] + 2e-4
    untold = infer_geometry_only(bent_left, bent_right, Rig(k, k), altitude_m=31800.0)
    assert untold.verdict == "guessed"
    assert any("a lens with k1 -" in reason for reason in untold.verdict_reasons)


@pytest.mark.parametrize("pose", ["initial", "fixed"])
@pytest.mark.parametrize("size", [96, 160])
def test_c19_a_narrow_field_rests_on_the_rigs_pose(
    size: int, pose: RigPose, known: Callable[[str, int, str], Known]
) -> None:
    pair, right = window(known(NADIR, 576, "Nadir_paire2"), (200, 180), size)
    rig = Rig(pair.camera, right, pair.right_from_left, pose=pose)
    found = infer_geometry_only(pair.left, pair.right, rig)
    assert (found.unit, found.verdict) == ("m", "measured")
    assert np.nanmedian(found.depth / pair.depth_m) == pytest.approx(1, abs=5e-3)
    sigma = found.views["left"].depth_sigma
    assert sigma is not None
    assert np.nanmedian(np.abs(found.depth - pair.depth_m) / sigma) < 2
