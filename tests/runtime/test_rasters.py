from __future__ import annotations

import struct
import warnings
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import unescape

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.rasters import RasterTags, encode_raster, read_raster
from lunar_runtime.files.tiff.directory import Directory, Tag, read_directories
from lunar_runtime.version import __version__


def _extreme_values() -> np.ndarray:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, size=(67, 45), dtype=np.uint32)  # any float32, NaN payloads too
    values = bits.view(np.float32).copy()
    values[0, :6] = [np.nan, np.inf, -np.inf, -0.0, np.finfo(np.float32).tiny / 2, 3.4e38]
    return np.asarray(values)


def test_a_round_trip_is_exact_to_the_bit(tmp_path: Path) -> None:
    values = _extreme_values()
    (tmp_path / "a.tif").write_bytes(encode_raster(values))
    back = read_raster(tmp_path / "a.tif")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.view(np.uint32), values.view(np.uint32))


def test_opencv_reads_the_same_bits(tmp_path: Path) -> None:
    values = _extreme_values()
    (tmp_path / "a.tif").write_bytes(encode_raster(values))
    image = cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    np.testing.assert_array_equal(image.view(np.uint32), values.view(np.uint32))


def test_it_is_compressed(tmp_path: Path) -> None:
    row, column = np.mgrid[:256, :256]
    (tmp_path / "a.tif").write_bytes(encode_raster(30_000 + 3.1 * row + 500 * np.sin(column / 40)))
    assert (tmp_path / "a.tif").stat().st_size < 0.6 * 256 * 256 * 4  # 50 % measured


@pytest.mark.parametrize("shape", [(1, 1), (1, 999), (999, 1), (3, 70_000), (300, 300), (512, 512)])
def test_any_size_in_one_strip_or_many(tmp_path: Path, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    (tmp_path / "a.tif").write_bytes(encode_raster(values))
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif"), values)


def test_the_same_values_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        (tmp_path / name).write_bytes(encode_raster(_extreme_values()))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_view_with_strides_is_written_as_seen(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)[::-1, ::2].T
    (tmp_path / "a.tif").write_bytes(encode_raster(values))
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif"), values)


def test_float64_is_stored_as_float32(tmp_path: Path) -> None:
    values = np.array([[1 / 3, np.nan]])
    (tmp_path / "a.tif").write_bytes(encode_raster(values))
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif"), values.astype(np.float32))


def test_any_file_name_is_a_tiff(tmp_path: Path) -> None:
    (tmp_path / "depth").write_bytes(encode_raster(np.ones((2, 3), np.float32)))
    assert read_raster(tmp_path / "depth").shape == (2, 3)


@pytest.mark.parametrize(
    "values", [np.zeros((2, 3), np.int32), np.zeros((2, 3, 1)), np.zeros((0, 3)), np.zeros(4)]
)
def test_other_arrays_are_refused(values: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"\(H, W\) floating-point"):
        encode_raster(values)


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_raster(tmp_path / "a.tif")
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("not a raster")
    for name in ("empty.tif", "text.tif"):
        with pytest.raises(InputError, match="not a TIFF that can be decoded"):
            read_raster(tmp_path / name)
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="expected one float32 channel, found uint8"):
        read_raster(tmp_path / "grey.png")


TAGS = RasterTags(
    unit="relative",
    description="depth: Z in the camera's frame, <1 & \u00e9",
    verdict="guessed",
    view="left",
    camera=(412.5, 412.25, 256.0, 255.5),
    crop=(100, 0, 600, 600),
    source_size=(800, 600),
)


def test_tags_change_no_pixel(tmp_path: Path) -> None:
    values = _extreme_values()
    for name, tags in (("a.tif", TAGS), ("b.tif", TAGS), ("plain.tif", None)):
        (tmp_path / name).write_bytes(encode_raster(values, tags))
        image = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
        assert image is not None
        np.testing.assert_array_equal(image.view(np.uint32), values.view(np.uint32))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_the_tags_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(encode_raster(np.zeros((40, 50), np.float32), TAGS))
    content = (tmp_path / "a.tif").read_bytes()
    (directory,) = read_directories(content)
    assert list(directory.entries) == sorted(directory.entries)  # TIFF wants them so
    assert directory.text(Tag.GDAL_NODATA) == "nan"
    metadata = ElementTree.fromstring(_text(directory, 42112))
    items = {
        item.attrib["name"]: (unescape(item.text or ""), item.attrib.get("role"))
        for item in metadata
    }
    assert items == {
        "DESCRIPTION": (TAGS.description, "description"),
        "UNITTYPE": ("relative", "unittype"),
        "LUNAR_VERDICT": ("guessed", None),
        "LUNAR_VIEW": ("left", None),
        "LUNAR_CAMERA": ("412.5 412.25 256 255.5", None),
        "LUNAR_CROP": ("100 0 600 600", None),
        "LUNAR_SOURCE_SIZE": ("800 600", None),
    }
    ascii_description = TAGS.description.replace("\u00e9", "&#233;")
    assert _text(directory, 270) == f"{ascii_description}; unit relative; guessed"
    assert _text(directory, 305) == f"lunar-edge {__version__}"


def test_c25_without_tags_nan_still_is_nodata(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(encode_raster(np.zeros((4, 5), np.float32)))
    (directory,) = read_directories((tmp_path / "a.tif").read_bytes())
    assert directory.text(Tag.GDAL_NODATA) == "nan"
    assert 42112 not in directory.entries


def test_c25_rasterio_sees_nodata_unit_description_and_metadata(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    values[1, 2] = np.nan
    (tmp_path / "a.tif").write_bytes(encode_raster(values, TAGS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the georeference that is not there
        opened = rasterio.open(tmp_path / "a.tif")
    with opened:
        assert np.isnan(opened.nodata)
        assert opened.units == ("relative",)
        assert opened.descriptions == (TAGS.description,)
        assert opened.tags()["LUNAR_CROP"] == "100 0 600 600"
        assert opened.tags()["TIFFTAG_SOFTWARE"] == f"lunar-edge {__version__}"
        band = opened.read(1, masked=True)
    np.testing.assert_array_equal(np.ma.getmaskarray(band), np.isnan(values))


def _text(directory: Directory, number: int) -> str:
    entry = directory.entries[number]
    (at,) = struct.unpack("<I", entry.inline)
    return directory.data[at : at + entry.count - 1].decode("ascii")
