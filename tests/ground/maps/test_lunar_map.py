"""Maps of an analytic Moon open in GDAL, and every cell lies where it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.files.images import read_image
from lunar_runtime.landing.local_frame import MOON_RADIUS_M, level_frame

from .moon import body_from_left, direction, relief, result_at, run, write

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed ([ground])")
# rasterio 1.4 with affine 3 warns in its own code.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

PLACES = {
    "mid": (10.3, 77.4),
    "antimeridian": (-20.1, 179.98),
    "north": (89.95, 12.0),
    "south": (-84.7, -130.0),
}


def _lunar(folder: Path, place: str) -> Path:
    return write(result_at(body_from_left(*PLACES[place])), folder)


@pytest.mark.parametrize("place", PLACES)
def test_cells_lie_where_they_must(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    from rasterio.crs import CRS
    from rasterio.warp import transform

    result = _lunar(tmp_path / "result", place)
    code, _, err = run(capsys, result, "--out", tmp_path / "maps")
    assert (code, err) == (0, ""), err
    pose = body_from_left(*PLACES[place])
    camera = result_at(pose).camera_left.intrinsics
    with rasterio.open(tmp_path / "maps/dem.tif") as dem:
        height, crs, to_map = dem.read(1), dem.crs, dem.transform
    with rasterio.open(tmp_path / "maps/slope.tif") as slope:
        column_seen = slope.read(1)  # the result's slope holds the pixels' columns here
    seen = np.isfinite(height)
    assert seen.mean() > 0.4  # the view is a turned square in its upright frame
    rows, columns = np.nonzero(seen)
    chosen = np.random.default_rng(1).choice(rows.size, 200, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    xs = to_map.c + to_map.a * (columns + 0.5)
    ys = to_map.f + to_map.e * (rows + 0.5)
    longitudes, latitudes = transform(
        crs, CRS.from_authority("IAU_2015", 30100), xs.tolist(), ys.tolist()
    )
    toward = np.array([direction(*at) for at in zip(latitudes, longitudes, strict=True)])
    truth = relief(toward)
    # The surface between pixels is a plane's: 20 cm of sag on waves of 12 km seen every 200 m.
    assert np.abs(height[rows, columns] - truth).max() < 1.0
    place_m = toward * (MOON_RADIUS_M + truth)[:, None]
    x, _, z = ((place_m - pose[:3, 3]) @ pose[:3, :3]).T
    column = camera.fx * x / z + camera.cx
    inside = np.isfinite(column_seen[rows, columns])
    assert inside.mean() > 0.95
    assert np.abs(column_seen[rows, columns] - column)[inside].max() < 0.01


def test_every_map_opens_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rasterio.crs import CRS

    result = _lunar(tmp_path / "result", "mid")
    code, out, _ = run(capsys, result, "--out", tmp_path / "maps", "--cell-m", 40)
    assert code == 0
    assert "orthographic, centre 10 N, 77 E" in out
    names = {"dem", "dem_sigma", "ortho", "slope", "hillshade"}
    assert {path.stem for path in (tmp_path / "maps").glob("*.tif")} == names
    units = {"dem": "m", "dem_sigma": "m", "slope": "deg"}
    for name in names:
        with rasterio.open(tmp_path / f"maps/{name}.tif") as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.overviews(1)
            assert file.tags()["VERDICT"] == "measured"
            assert file.tags()["PRODUCT"] == name
            assert (file.units[0] or "") == units.get(name, "")
            assert file.descriptions[0]
            nodata = file.nodata
            assert nodata == 0 if name == "hillshade" else np.isnan(nodata)
            assert file.transform.a == 40 and file.transform.e == -40
            assert file.transform.c % 40 == file.transform.f % 40 == 0
            told = CRS.from_wkt((tmp_path / f"maps/{name}.wkt").read_text())
            assert told.to_dict()["lat_0"] == file.crs.to_dict()["lat_0"] == 10
            assert file.crs.to_dict()["R"] == MOON_RADIUS_M
            assert "IAU" in (tmp_path / f"maps/{name}.wkt").read_text()


def test_the_left_image_is_laid_over_the_ground(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = result_at(body_from_left(*PLACES["mid"]))
    rows, columns = result.depth.shape
    # As the slope's map: a pixel's value is its column, so that both maps must agree.
    pixels = np.broadcast_to(np.arange(columns, dtype=np.uint8), (rows, columns)).copy()
    cv2.imwrite(str(tmp_path / "left.png"), pixels)
    image = read_image(tmp_path / "left.png")
    result = replace(result, left=result.left._replace(source=image))
    folder = write(result, tmp_path / "result")
    assert run(capsys, folder, "--out", tmp_path / "one")[0] == 0
    (tmp_path / "left.png").rename(tmp_path / "moved.png")
    given = ("--image", tmp_path / "moved.png")
    assert run(capsys, folder, "--out", tmp_path / "two", *given)[0] == 0
    for name in ("one", "two"):
        with rasterio.open(tmp_path / name / "ortho.tif") as file:
            ortho = file.read(1)
            assert file.tags()["IMAGE"].endswith("left.png, the file's values")
        with rasterio.open(tmp_path / name / "slope.tif") as file:
            column = file.read(1)
        np.testing.assert_array_equal(np.isfinite(ortho), np.isfinite(column))
        assert np.nanmax(np.abs(ortho - (column - 0.5))) < 1e-3


def test_an_overview_is_the_mean_of_its_cells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _lunar(tmp_path / "result", "mid")
    run(capsys, result, "--out", tmp_path / "maps", "--cell-m", 40)
    with rasterio.open(tmp_path / "maps/dem.tif") as file:
        whole = file.read(1)
    with rasterio.open(tmp_path / "maps/dem.tif", overview_level=0) as file:
        half = file.read(1)
    rows, columns = whole.shape
    assert rows % 2 == columns % 2 == 0 and max(rows, columns) > 256
    blocks = whole.reshape(rows // 2, 2, columns // 2, 2)
    known = np.isfinite(blocks).any(axis=(1, 3))
    np.testing.assert_array_equal(np.isfinite(half), known)
    mean = np.nanmean(blocks.transpose(0, 2, 1, 3).reshape(*half.shape, 4)[known], axis=1)
    assert np.abs(half[known] - mean).max() < 1e-3  # float32 at a kilometre


def test_texts_that_xml_would_take_for_its_own_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = replace(
        result_at(body_from_left(10, 20)), verdict="guessed", verdict_reasons=('a < b & "c"',)
    )
    folder = write(result, tmp_path / "result")
    assert run(capsys, folder, "--out", tmp_path / "maps")[0] == 0
    with rasterio.open(tmp_path / "maps/dem.tif") as file:
        assert file.tags()["VERDICT_REASONS"] == 'a < b & "c"'


def test_the_error_of_depth_becomes_one_of_height(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _lunar(tmp_path / "result", "mid")
    run(capsys, result, "--out", tmp_path / "maps")
    with rasterio.open(tmp_path / "maps/dem_sigma.tif") as file:
        sigma = file.read(1)
    # 0.1 % of the way down from 40 km, over hills of a kilometre: to 39 m on the level, more or
    # less on slopes that face the camera or turn away, by up to 3 % with tan(12 + 6) deg.
    assert np.nanmedian(sigma) == pytest.approx(39, rel=0.02)
    assert np.nanmax(sigma) < 48 and np.nanmin(sigma) > 30


@pytest.mark.parametrize(
    ("places", "like"),
    [
        (((-30.0, 179.7), (-30.0, 179.95)), True),  # 7.5 km apart, of 20 km
        (((-30.0, 179.7), (-30.0, -179.8)), False),  # 13 km, on both sides of the antimeridian
        (((-89.85, 40.0), (-89.87, -150.0)), False),  # 8.5 km, the pole between them
    ],
)
def test_tiles_of_two_runs_merge_without_holes(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    places: tuple[tuple[float, float], tuple[float, float]],
    like: bool,
) -> None:
    from rasterio.merge import merge

    tiles: list[Path] = []
    for number, place in enumerate(places):
        result = write(result_at(body_from_left(*place, tilt_deg=0)), tmp_path / f"r{number}")
        given = ["--like", tiles[0]] if tiles and like else ["--cell-m", 200]
        code, _, err = run(capsys, result, "--out", tmp_path / f"m{number}", *given)
        assert code == 0, err
        tiles.append(tmp_path / f"m{number}/dem.tif")
    opened = [rasterio.open(tile) for tile in tiles]
    try:
        one, other = (file.crs.to_dict() for file in opened)
        assert one == other
        both, to_map = merge(opened)
        parts = [file.read(1) for file in opened]
    finally:
        for file in opened:
            file.close()
    assert to_map.a == 200
    merged = both[0]
    filled = cv2.morphologyEx(
        np.isfinite(merged).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    assert (filled.astype(bool) == np.isfinite(merged))[1:-1, 1:-1].mean() > 0.999
    count = sum(int(np.isfinite(part).sum()) for part in parts)
    shared = count - int(np.isfinite(merged).sum())
    assert shared > 1000
    row, column = (
        round((opened[0].bounds.top - opened[1].bounds.top) / 200),
        round((opened[1].bounds.left - opened[0].bounds.left) / 200),
    )
    first, second = parts
    rows, columns = np.nonzero(np.isfinite(first))
    there = rows - row, columns - column
    inside = (
        (there[0] >= 0) & (there[0] < second.shape[0])
        & (there[1] >= 0) & (there[1] < second.shape[1])
    )  # fmt: skip
    gap = first[rows[inside], columns[inside]] - second[there[0][inside], there[1][inside]]
    assert np.nanmax(np.abs(gap)) < 2.0  # both within 1 m of the truth, see above


def test_a_polar_map_is_taken_by_its_parameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _lunar(tmp_path / "result", "south")
    run(capsys, result, "--out", tmp_path / "one", "--cell-m", 150)
    code, out, err = run(
        capsys, result, "--out", tmp_path / "two", "--like", tmp_path / "one/ortho.tif"
    )
    assert code == 0, err
    assert "polar stereographic, south (IAU_2015:30135)" in out
    with (
        rasterio.open(tmp_path / "one/dem.tif") as one,
        rasterio.open(tmp_path / "two/dem.tif") as two,
    ):
        assert one.transform == two.transform
        np.testing.assert_array_equal(one.read(1), two.read(1))


def test_without_a_place_on_the_moon_the_frame_is_local(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = write(result_at(body_from_left(10, 20), told=False), tmp_path / "result")
    code, out, err = run(capsys, result, "--out", tmp_path / "maps")
    assert (code, err) == (0, "")
    assert "local frame" in out
    with rasterio.open(tmp_path / "maps/dem.tif") as file:
        height, to_map = file.read(1), file.transform
        told = file.crs.to_wkt(version="WKT2_2019")
        assert told.startswith("ENGCRS[") and 'LENGTHUNIT["metre",1' in told
    assert (tmp_path / "maps/dem.wkt").read_text().startswith("ENGCRS[")
    pose = body_from_left(10, 20)
    seen = result_at(pose)
    frame = level_frame(seen.pointmap_left, seen.up.vector)
    rows, columns = np.nonzero(np.isfinite(height))
    x, y = to_map.c + to_map.a * (columns + 0.5), to_map.f + to_map.e * (rows + 0.5)
    z = height[rows, columns] - (x * x + y * y) / 2 / MOON_RADIUS_M
    place = (np.stack([x, y, z], axis=1) @ frame.axes + frame.origin) @ pose[:3, :3].T
    place += pose[:3, 3]
    radius = np.linalg.norm(place, axis=1)
    above = radius - MOON_RADIUS_M - relief(place / radius[:, None])
    assert np.abs(above).max() < 1.0  # as above: planes between pixels
    code, _, err = run(capsys, result, "--out", tmp_path / "x", "--like", tmp_path / "maps/dem.tif")
    assert code == 2 and "--like needs a result whose rig has body_from_left" in err


def test_of_a_guess_the_output_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guess = replace(
        result_at(body_from_left(10, 20)), verdict="guessed", verdict_reasons=("too dark",)
    )
    result = write(guess, tmp_path / "result")
    code, out, err = run(capsys, result, "--out", tmp_path / "maps")
    assert (code, err) == (0, "")
    assert out.startswith("result guessed: too dark\nmaps ")
