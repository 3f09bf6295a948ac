"""Classes and sites of landings on maps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.files.rasters import RasterTags, encode_raster, read_raster
from lunar_runtime.landing.local_frame import MOON_RADIUS_M

from .moon import body_from_left, direction, result_at, run, write

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed ([ground])")
# rasterio 1.4 with affine 3 warns in its own code.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def test_classes_and_sites_come_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pose = body_from_left(10.3, 77.4)
    result = write(result_at(pose), tmp_path / "result")
    (result / "hazard.tif").write_bytes(_raster_like(result / "slope.tif"))
    (result / "safe_probability.tif").write_bytes((result / "hazard.tif").read_bytes())
    told = {"safe_probability": 0.99, "slope_deg": 3.0, "slope_sigma_deg": 0.5, "margin_m": 90.0,
            "roughness_m": 0.2, "roughness_sigma_m": 0.1, "divert_m": None}  # fmt: skip
    site = {"x_m": 1.0, "y_m": 2.0, "height_m": 3.0, "pixel": [64.0, 64.0], **told}
    vehicle = {"footprint_diameter_m": 12, "slope_limit_deg": 9, "roughness_limit_m": 0.4}
    (result / "sites.json").write_text(json.dumps({"lander": vehicle, "sites": [site]}))
    code, _, err = run(capsys, result, "--out", tmp_path / "maps", "--cell-m", 40)
    assert code == 0, err
    with rasterio.open(tmp_path / "maps/hazard.tif") as file:
        classes = file.read(1)
        assert file.nodata == 255 and file.dtypes[0] == "uint8"
        assert set(np.unique(classes)) == {0, 1, 2, 255}
        tags = file.tags()
        assert tags["LANDER"].startswith("12 m wide, 4 pads, slope to 9 deg, roughness to 0.4 m;")
        assert "AIAA 2013-5019" in tags["DEFINITION"]
    with rasterio.open(tmp_path / "maps/dem.tif") as file:
        assert "LANDER" not in file.tags()
    with rasterio.open(tmp_path / "maps/hazard.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {0, 1, 2, 255}
    content = json.loads((tmp_path / "maps/sites.geojson").read_text())
    assert content["body"] == "Moon" and "Not WGS 84" in content["note"]
    assert content["features"][0]["properties"] == {"rank": 1, "pixel": [64.0, 64.0], **told}
    longitude, latitude, height = content["features"][0]["geometry"]["coordinates"]
    there = direction(latitude, longitude) * (MOON_RADIUS_M + height)
    x, y, z = pose[:3, :3].T @ (there - pose[:3, 3])
    camera = result_at(pose).camera_left.intrinsics
    assert camera.fx * x / z + camera.cx == pytest.approx(64, abs=0.01)
    assert camera.fy * y / z + camera.cy == pytest.approx(64, abs=0.01)
    vehicle["slope_limit_deg"] = -1
    (result / "sites.json").write_text(json.dumps({"lander": vehicle, "sites": [site]}))
    code, _, err = run(capsys, result, "--out", tmp_path / "again", "--cell-m", 40)
    assert (code, err.count("\n")) == (3, 1)
    assert "sites.json: damaged, or of another tool" in err
    assert not (tmp_path / "again").exists()


def _raster_like(path: Path) -> bytes:
    """The file's raster with classes instead of its values."""
    values = np.floor(read_raster(path) / 43).clip(0, 2).astype(np.float32)
    return encode_raster(values, RasterTags("class", "hazard"))
