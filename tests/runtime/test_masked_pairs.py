"""A mask from the images to the last map: NaN there, and nothing of it in what is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime import infer_geometry_only, write_result
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.files.mask_files import read_mask
from lunar_runtime.files.pair_lists import read_pairs
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.fuse import fuse
from lunar_runtime.inference.maps import read_maps
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.result import ViewResult
from lunar_runtime.refinement.dense_match import measure_flow
from lunar_runtime.refinement.matching import match_descriptors, match_features
from lunar_runtime.refinement.prior import relief_bands
from lunar_runtime.refinement.refine import refine_surface
from lunar_runtime.refinement.surface import NetworkGuess
from numpy.typing import NDArray

from .network_alone import load
from .outcomes import Outcome
from .scenes import flat_scene, hilly_scene

SCENE = hilly_scene(128)
PAIR = SCENE.grey_left, SCENE.grey_right
ROWS, COLUMNS = np.mgrid[:128, :128]
SHAPES = ((128, 128), (128, 128))
DEAD = ROWS + COLUMNS < 90


def is_nan(view: ViewResult, dead: NDArray[np.bool_]) -> None:
    maps = [view.depth, view.slope, view.confidence]
    maps += [one for one in (view.depth_sigma, view.slope_sigma) if one is not None]
    for values in maps:
        assert np.isnan(values[dead]).all()
        assert np.isfinite(values[~dead]).mean() > 0.99
    assert view.refined is None or not view.refined[dead].any()


@pytest.mark.parametrize("given", ["mask", "np.ma", "alpha", "NaN", "wedge"])
def test_however_it_is_told_a_masked_pixel_is_nan_in_every_map(given: str) -> None:
    left, masks = SCENE.grey_left.copy(), (None, None)
    if given == "mask":
        masks = (np.where(DEAD, 0, 3), None)  # type: ignore[assignment]
    elif given == "np.ma":
        left = np.ma.masked_array(left, DEAD)
    elif given == "alpha":
        left = np.dstack([left, left, left, np.where(DEAD, 0, 255).astype(np.uint8)])
    elif given == "NaN":
        left = np.where(DEAD, np.nan, left).astype(np.float32)
    else:
        left[DEAD] = 0
    result = infer_geometry_only(
        left, SCENE.grey_right, Rig(left=SCENE.left), baseline_m=SCENE.baseline_m, masks=masks
    )
    grown = cv2.dilate(DEAD.astype(np.uint8), np.ones((5, 5))) > 0
    is_nan(result.views["left"], grown if given == "wedge" else DEAD)
    known = np.isfinite(result.depth)
    off = np.abs(result.depth[known] / SCENE.depth_left[known] - 1)
    assert np.median(off) < 0.003  # .0004 to .0017 here
    assert off.max() < 0.03  # beyond the overlap
    assert np.isnan(result.pointmap_left[DEAD]).all()


def test_the_right_images_mask_is_the_right_views_and_leaves_the_left_whole() -> None:
    result = infer_geometry_only(
        *PAIR, Rig(left=SCENE.left), view="both", masks=(None, (~DEAD).astype(np.uint8))
    )
    assert np.isfinite(result.views["left"].depth).all()
    is_nan(result.views["right"], DEAD)
    # Left pixels whose ground the right image does not show are not its images' to decide.
    u, v = np.moveaxis(SCENE.pixels_right(SCENE.points_left), -1, 0)
    hidden = DEAD[v.clip(0, 127).astype(int), u.clip(0, 127).astype(int)] & (u > 0) & (v > 0)
    refined = result.views["left"].refined
    assert refined is not None
    assert not refined[hidden].any()
    assert refined.any()


def test_a_mask_of_nothing_changes_no_bit() -> None:
    one, other = (
        infer_geometry_only(*PAIR, Rig(left=SCENE.left), masks=masks)
        for masks in ((None, None), (np.ones((128, 128)), np.ones((128, 128))))
    )
    for name in ("depth", "slope", "confidence"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_the_network_says_of_masked_pixels_moves_nothing() -> None:
    """A network that puts its sky a hundred times too near or leaves it away: the same ground."""
    grid, options = SCENE.grid(), InferOptions(refine="on")
    images = ImagePair(
        grey_from_array(PAIR[0], usable=~DEAD), grey_from_array(PAIR[1], usable=~DEAD)
    )
    found = []
    for factor in (1.0, 0.01):
        outputs = SCENE.outputs()
        for name in ("pointmap_left", "pointmap_right"):
            outputs[name][0][DEAD] *= factor
        maps, _ = read_maps(outputs, grid, options, Rig(left=SCENE.left), images.valid(grid))
        pair = images.views(grid, maps.cameras_on(grid))
        found.append(fuse(pair, grid, maps, options, Rig(left=SCENE.left))[0].maps.left.points)
    np.testing.assert_array_equal(found[0], found[1])


def test_features_and_descriptors_of_masked_pixels_do_not_match() -> None:
    valid = (~DEAD, None)
    free = match_features(*PAIR).left
    assert (free.sum(axis=1) < 90).any()
    masked = match_features(*PAIR, valid).left
    assert len(masked) > 24
    assert (masked.sum(axis=1) > 90 + 6).all()  # not at the mask's edge either
    rng = np.random.default_rng(0)
    seen = rng.standard_normal((128, 128, 8)).astype(np.float32)
    seen /= np.linalg.norm(seen, axis=-1, keepdims=True)
    matched = match_descriptors(seen, seen, ((128, 128), (128, 128)), valid).left
    assert 0 < len(matched) < len(match_descriptors(seen, seen, ((128, 128), (128, 128))).left)
    assert not DEAD[tuple(matched[:, ::-1].astype(int).T)].any()


def test_no_flow_is_trusted_where_either_image_is_masked() -> None:
    pair = SCENE.views().floating()
    pair = replace(pair, left=replace(pair.left, valid=~DEAD))
    pair = replace(pair, right=replace(pair.right, valid=ROWS < 100))
    flow = measure_flow(pair, SCENE.pose, SCENE.inverse_depth)
    v = SCENE.pixels_right(SCENE.points_left)[..., 1]
    touched = (DEAD | (v > 101)).reshape(64, 2, 64, 2).any(axis=(1, 3))  # two by two pixels
    free = (~DEAD & (v < 96) & (v > 4)).reshape(64, 2, 64, 2).all(axis=(1, 3))
    assert not flow.inside[touched].any()
    assert not flow.trust[touched].any()
    assert flow.inside[free].mean() > 0.7


def test_relief_beside_a_hole_is_not_drawn_to_nothing() -> None:
    """Of ground whose coarse relief is one constant, so is the mean of what is known."""
    rays = SCENE.views().left.rays()
    hills = SCENE.inverse_depth.copy()
    whole = relief_bands(rays, hills)[0]
    hills[DEAD] = np.nan
    holed = relief_bands(rays, hills)[0]
    beside = ~DEAD & (ROWS + COLUMNS < 96)
    off = np.abs(holed - whole)[beside].mean()
    drawn = np.abs(whole)[beside].mean()
    assert off < 0.75 * drawn


def test_beside_a_hole_a_right_network_makes_no_surface_worse() -> None:
    """While its relief was nothing in the hole, depths beside it were five times as far off."""
    scene = hilly_scene(256)
    rows, columns = np.mgrid[:256, :256]
    off_centre = np.maximum(np.abs(rows - 120), np.abs(columns - 140))
    hole, beside = off_centre < 18, (off_centre >= 18) & (off_centre < 26)
    pair = scene.views()
    pair = replace(pair, left=replace(pair.left, valid=~hole))
    guess = np.where(hole, np.nan, scene.inverse_depth).astype(np.float32)

    def error(network: NetworkGuess | None) -> float:
        start = flat_scene(256).inverse_depth
        surface = refine_surface(pair, scene.pose, start, [scene.pose] * 8, network)
        return float(np.abs(surface.inverse_depth / scene.inverse_depth - 1)[beside].mean())

    assert error(NetworkGuess(guess)) < error(None)


def test_the_networks_own_maps_are_masked_too(
    bundles: dict[str, Path], make_texture: Callable[..., NDArray[np.uint8]]
) -> None:
    usable = np.ones((64, 64), np.uint8)
    usable[:20] = 0
    with load(bundles["both"], threads=1) as runtime:
        left = make_texture(1) // 2 + 64
        right = np.roll(left, (2, 3), (0, 1))  # a camera that turned: not refined
        off = runtime.infer(left, right, view="both", masks=(usable, None))
        kept = runtime.refining.infer(left, right, view="left", masks=(usable, None))
    assert kept.refinement is not None
    assert not kept.refinement.done
    for result in (off, kept):
        is_nan(result.views["left"], usable == 0)
    assert np.isfinite(off.views["right"].depth).all()


def test_shares_are_of_the_whole_view_and_say_why(tmp_path: Path) -> None:
    left = SCENE.grey_left.copy()
    left[:12] = 0
    mask = np.ones((128, 128), np.uint8)
    mask[:, 100:] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    result = infer_geometry_only(
        left, SCENE.grey_right, Rig(left=SCENE.left), masks=(tmp_path / "mask.png", None)
    )
    report = write_result(result, tmp_path / "out")
    valid = 100 * 114 / 128**2  # the wedge's edge takes two more rows
    assert report.left.masked_fraction == pytest.approx(1 - valid)
    assert report.left.masked == {
        "mask file": pytest.approx(28 / 128),
        "constant": pytest.approx(100 * 14 / 128**2),
    }
    assert report.right.masked == {}
    assert report.left.mask is not None
    assert report.left.mask.path == str(tmp_path / "mask.png")
    assert len(report.left.mask.sha256 or "") == 64
    (view,) = report.views
    assert view.valid_fraction == pytest.approx(valid)
    assert view.slope_fraction == pytest.approx(valid, abs=0.002)
    ply = (tmp_path / "out" / "pointcloud.ply").read_bytes()
    assert f"element vertex {100 * 114}\n".encode() in ply
    with np.load(tmp_path / "out" / "pointmap.npz") as arrays:
        assert np.isnan(arrays["left"][:14]).all()
        assert np.isnan(arrays["confidence_left"][:, 100:]).all()


def test_masks_are_read_as_not_zero_is_usable(tmp_path: Path) -> None:
    values = np.array([[0, 1], [200, 255]], np.uint8).repeat(32, 0).repeat(32, 1)
    cv2.imwrite(str(tmp_path / "m.png"), values)
    cv2.imwrite(str(tmp_path / "c.png"), np.dstack([values * 0, values, values * 0]))
    for mask in (tmp_path / "m.png", tmp_path / "c.png", values, values.astype(bool)):
        np.testing.assert_array_equal(read_mask(mask).usable, values != 0)
    assert not read_mask(np.where(values == 1, np.nan, values)).usable[:32].any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((64, 128)), r"left array: 128x128 px, but its mask has 128x64; give a mask of"),
        (np.zeros((128, 128)), "array: the mask is 0 everywhere, so nothing may be used"),
        (np.ones((128, 128, 3)), r"mask array: shape \(128, 128, 3\); need \(h, w\)"),
        (Path("nowhere.png"), "nowhere.png"),
        (np.eye(128), r"left array: only 0\.8% of the pixels are valid \(masked: 99\.2% the mask"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused_in_one_line(mask: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        infer_geometry_only(*PAIR, Rig(left=SCENE.left), masks=(mask, None))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "sides"), [("{0},", "left"), (",{0}", "right"), ("{0},{0}", "both")]
)
def test_the_command_takes_one_mask_or_two(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    value: str,
    sides: str,
) -> None:
    mask = np.ones((64, 64), np.uint8)
    mask[:16] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    outcome = infer(
        *pair, "--bundle", bundles["both"], "--out", tmp_path / "out",
        "--mask", value.format(tmp_path / "mask.png"),
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for side in ("left", "right"):
        masked = {"mask file": 0.25} if sides in (side, "both") else {}
        assert report[side]["masked"] == masked
    assert ("masked left: 25.0% mask file" in outcome.out) == (sides != "right")
    assert ("valid  75.0% of 64 x 64 px" in outcome.out) == (sides != "right")


def test_wrong_masks_on_the_command_line_are_one_line_and_the_right_exit_code(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.ones((32, 64), np.uint8))
    for value, code, text in (
        (f"{small},", 3, "64x64 px, but its mask has 64x32"),
        ("nowhere.png,", 3, "nowhere.png"),
        ("one.png", 2, "is not LEFT,RIGHT; one of the two may be empty"),
        (",", 2, "is not LEFT,RIGHT"),
    ):
        out = tmp_path / "out"
        outcome = infer(*pair, "--bundle", bundles["both"], "--out", out, "--mask", value)
        assert outcome.code == code
        assert text in outcome.err
        assert outcome.err.count("\n") == 1
        assert not out.exists()


def test_a_table_names_masks_and_the_option_is_of_one_pair(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    mask = np.ones((64, 64), np.uint8)
    mask[:, :32] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    table = tmp_path / "pairs.csv"
    table.write_text("left,right,left_mask,right_mask\nleft.png,right.png,mask.png,\n")
    (listed,) = read_pairs(table)
    assert listed.masks == (tmp_path / "mask.png", None)
    outcome = infer(table, "--bundle", bundles["both"], "--out", tmp_path / "out")
    assert outcome.code == 0
    report = json.loads((tmp_path / "out" / "left" / "report.json").read_text())
    assert report["left"]["masked"] == {"mask file": 0.5}
    refused = infer(table, "--out", tmp_path / "no", "--mask", "mask.png,")
    assert refused.code == 2
    assert "columns left_mask and right_mask" in refused.err
