"""A window of an image: the same pixels as in the whole, and of a large file only what it needs."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files import decode_file, grey_image
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.files.tiff import samples
from lunar_runtime.files.tiff.directory import Layout, with_directory
from lunar_runtime.files.window import Window, as_windows, parse_windows

from .images import encode, texture
from .tiffs import GDAL_NODATA, make_tiff

WINDOWS = (
    Window(0, 0, 70, 45),
    Window(5, 8, 40, 33),
    Window(16, 10, 32, 32),
    Window(37, 12, 33, 33),
)
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {},
    "uncompressed": {"deflate": False},
    "one strip": {"deflate": False, "rows": 45},
    "tiles": {"tile": 16},
    "planes": {"planar": True},
    "planes of tiles": {"planar": True, "tile": 32},
    "predicted": {"predictor": 2, "order": ">"},
}


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are read whole; large ones in slices, a strip or row of tiles at a time."""
    if request.param == "large":
        monkeypatch.setattr(decode_file, "_SMALL_BYTES", 0)
        monkeypatch.setattr(samples, "_PIXELS_AT_ONCE", 1)
        monkeypatch.setattr(samples, "_PIXELS_A_STRIP", 500)


def values_of(layout: str, dtype: str) -> np.ndarray[Any, Any]:
    bands = 3 if "planes" in layout else 1
    layers = [texture(band, 45, 70).astype(np.float64) * 200 + 1000 for band in range(bands)]
    found = np.stack(layers, axis=2).astype(dtype)
    return found if bands > 1 else found[..., 0]


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_window_of_a_tiff_is_that_part_of_the_whole(
    tmp_path: Path, layout: str, dtype: str, window: Window
) -> None:
    values = values_of(layout, dtype)
    (tmp_path / "a.tif").write_bytes(make_tiff(values, **LAYOUTS[layout]))
    found = read_image(tmp_path / "a.tif", window)
    colours = values[..., ::-1] if values.ndim == 3 else values
    expected = grey_from_array(window.of(colours))
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert (found.stretch, found.size) == (expected.stretch, window[2:])
    assert (found.window, found.source_size, found.shown) == (window, (70, 45), window)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("suffix", [".png", ".pgm", ".tif", ".jpg"])
def test_a_window_of_any_kind_of_file_is_that_part_of_the_whole(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode(texture(1, 45, 70), suffix))
    window = WINDOWS[1]
    np.testing.assert_array_equal(
        read_image(path, window).pixels, window.of(read_image(path).pixels)
    )


@pytest.mark.usefixtures("size")
def test_validity_is_that_of_the_window(tmp_path: Path) -> None:
    values = values_of("strips", "uint16")
    values[:20] = 7
    (tmp_path / "a.tif").write_bytes(make_tiff(values, {GDAL_NODATA: b"7\0"}))
    assert read_image(tmp_path / "a.tif").valid_fraction == pytest.approx(25 / 45)
    below = read_image(tmp_path / "a.tif", Window(3, 12, 60, 32))
    assert below.valid is not None
    assert not below.valid[:8].any() and below.valid[8:].all()


def scan(path: Path, rows: int, columns: int, strip: int | None, known: np.ndarray) -> None:
    """A BigTIFF of 8-bit rows, all holes but for some known pixels from row 70 000 on."""
    head = b"II+\0" + (8).to_bytes(2, "little") + bytes(10)
    per_strip = strip or rows
    tops = range(0, rows, per_strip)
    entries = {
        256: [columns], 257: [rows], 258: [8], 259: [1], 262: [1], 277: [1], 278: [per_strip],
        273: [(1 << 24) + top * columns for top in tops],
        279: [min(per_strip, rows - top) * columns for top in tops],
    }  # fmt: skip
    path.write_bytes(with_directory(head, Layout("<", True), entries))
    assert path.stat().st_size < 1 << 24
    with path.open("r+b") as file:
        for number, row in enumerate(known):
            file.seek((1 << 24) + (70_000 + number) * columns + 5_000)
            file.write(row.tobytes())
        file.truncate((1 << 24) + rows * columns)


@pytest.mark.parametrize("strip", [1, 64, None])
def test_a_window_of_a_scan_does_not_read_the_scan(tmp_path: Path, strip: int | None) -> None:
    """12 000 x 100 000 px: 1.2 GB. The window has 0.3 MB."""
    known = texture(3, 500, 600)
    path = tmp_path / "scan.tif"
    scan(path, 100_000, 12_000, strip, known)
    with pytest.raises(InputError, match=re.escape("1160 MiB; crop or convert it first")):
        read_image(path)
    tracemalloc.start()
    try:
        found = read_image(path, Window(5_000, 70_000, 600, 500))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found.pixels, known)
    assert found.source_size == (12_000, 100_000)
    assert found.sha256 is None
    # 500 rows of 12 000 pixels are 6 MB, in a few copies; places and lengths of 100 000 strips are
    # Python numbers, 5 MB a list.
    assert peak < 80e6


def test_limits_on_the_size_are_the_windows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grey_image, "MAX_PIXELS", 2000)
    values = values_of("strips", "uint16")
    (tmp_path / "a.tif").write_bytes(make_tiff(values))
    with pytest.raises(InputError, match="70x45 px is over 100 megapixels; choose a part with `w"):
        read_image(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", Window(1, 1, 40, 40)).size == (40, 40)
    with pytest.raises(InputError, match="window 1,1,60,40: 60x40 px is over 100 megapixels"):
        read_image(tmp_path / "a.tif", Window(1, 1, 60, 40))
    with pytest.raises(InputError, match="window 1,1,31,40: 31x40 px is too small"):
        read_image(tmp_path / "a.tif", Window(1, 1, 31, 40))
    (tmp_path / "a.png").write_bytes(encode(texture(1, 45, 70), ".png"))  # decoded whole
    with pytest.raises(InputError, match="70x45 px is over 100 megapixels; crop or shrink it"):
        read_image(tmp_path / "a.png", Window(1, 1, 40, 40))


def test_a_part_of_huge_compressed_strips_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_MOST_PIXELS", 600)
    (tmp_path / "a.tif").write_bytes(make_tiff(values_of("strips", "uint16")))
    with pytest.raises(InputError, match=r"strips have 70x10 px; convert it with gdal_translate"):
        read_image(tmp_path / "a.tif", WINDOWS[1])


@pytest.mark.parametrize("window", [Window(40, 0, 40, 40), Window(0, 20, 40, 40)])
def test_a_window_that_leaves_its_image_is_refused(tmp_path: Path, window: Window) -> None:
    (tmp_path / "a.png").write_bytes(encode(texture(1, 45, 70), ".png"))
    with pytest.raises(InputError, match=rf"`window` {window} leaves the image, which has 70x45"):
        read_image(tmp_path / "a.png", window)
    with pytest.raises(InputError, match=rf"left array: `window` {window} leaves the image"):
        grey_from_array(texture(1, 45, 70), "left array", window)


def test_four_numbers_are_both_images_windows_and_eight_are_each_ones() -> None:
    one, other = Window(1, 2, 3, 4), Window(5, 6, 7, 8)
    assert as_windows(None) is None
    assert parse_windows("1,2,3,4") == as_windows(one) == as_windows([1, 2, 3, 4]) == (one, one)
    assert parse_windows(" 1, 2,3,4,5,6,7,8") == as_windows((one, other)) == (one, other)
    assert str(other) == "5,6,7,8"


@pytest.mark.parametrize("text", ["1,2,3", "a,1,2,3", "1.5,2,3,4", "", "1,2,3,4,5,6,7"])
def test_what_is_no_window_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match=f"`window` {text}: give X,Y,W,H in whole pixels"):
        parse_windows(text)


@pytest.mark.parametrize("given", [(1, 2, 3), (1, 2, 3.5, 4), ("1", 2, 3, 4), (1, 2, None, 4)])
def test_what_is_no_window_in_python_is_wrong_usage(given: Any) -> None:
    with pytest.raises(UsageError, match="give X,Y,W,H in whole pixels"):
        as_windows(given)


@pytest.mark.parametrize("text", ["-1,2,3,4", "1,2,0,3", "0,0,9,9,0,-1,9,9"])
def test_windows_start_at_0_and_are_not_empty(text: str) -> None:
    with pytest.raises(UsageError, match="X and Y start at 0, W and H at 1"):
        parse_windows(text)
