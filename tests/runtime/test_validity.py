"""Pixels that are no measurements are found, left out of the stretch, and marked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.files.validity import valid_values
from lunar_runtime.inference.pair import read_pair
from numpy.typing import NDArray

from .images import encode, texture

INVALID = np.zeros((60, 90), bool)
INVALID[:12, :40] = True


def ground(dtype: str, low: float = 1000, high: float = 5000) -> NDArray[Any]:
    """(60, 90) texture between two values."""
    values = texture(3, 60, 90).astype(np.float64)
    return (low + (high - low) * values / 255).astype(dtype)


def masked(values: NDArray[Any]) -> GreyImage:
    """An image whose invalid pixels are those of INVALID, and whose others are as without them."""
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~INVALID)
    assert image.valid_fraction == pytest.approx(1 - 480 / 5400)
    shown = image.pixels[image.valid]
    assert np.all(image.pixels[INVALID] == round(float(np.median(shown))))
    assert shown.std() > 40  # the whole range of grey levels is the ground's
    return image


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3.4e38, -3.4028227e38, -9999.0, -1e32])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_point_that_means_none(value: float, dtype: str) -> None:
    values = ground(dtype)
    values[INVALID] = value
    masked(values)


@pytest.mark.parametrize("value", [1e300, -1.7976931348623157e308])
def test_floating_point_beyond_float32_is_none_and_no_warning(value: float) -> None:
    values = ground("float64")
    values[INVALID] = value
    masked(values)


@pytest.mark.parametrize("value", [-32768, -32767, -32766, -32765, -32764])
def test_isis_special_pixels_of_16_bits(value: int) -> None:
    values = ground("int16")
    values[INVALID] = value
    masked(values)
    values[INVALID] = np.arange(480) % 5 - 32768  # all kinds at once
    masked(values)


def test_a_few_special_pixels_do_not_take_the_grey_levels() -> None:
    """70 of 5400 pixels; before, six grey levels were left."""
    values = ground("int16", 100, 1800)
    clean = grey_from_array(values)
    places = np.random.default_rng(0).permutation(5400)[:70]
    values.ravel()[places] = -32768
    image = grey_from_array(values)
    assert image.valid is not None
    assert np.flatnonzero(~image.valid).tolist() == sorted(places.tolist())
    assert len(np.unique(image.pixels)) > 200
    # The percentiles of 70 pixels fewer.
    assert np.abs(image.pixels.astype(int) - clean.pixels)[image.valid].max() <= 2


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("uint16", 0), ("uint16", 65535), ("int16", -9999), ("int16", 32767), ("float32", 1e6)],
)
def test_a_constant_far_outside_the_rest_is_none(dtype: str, value: float) -> None:
    values = ground(dtype, 5000, 9000)
    values[INVALID] = value
    masked(values)


@pytest.mark.parametrize(
    ("dtype", "constants"),
    [
        ("uint16", [0, 65535]),
        ("uint16", [1, 0]),
        ("int16", [-9999, 32767]),
        ("float32", [-9999, -32767, -1e32]),
    ],
)
def test_several_constants_are_found(dtype: str, constants: list[float]) -> None:
    values = ground(dtype, 9000, 12000)
    places = np.flatnonzero(INVALID)
    values.ravel()[places] = np.choose(np.arange(480) % len(constants), constants)
    masked(values)


def test_a_few_hot_pixels_are_measurements() -> None:
    values = ground("uint16")
    values[3:10, 4] = 65535  # 7; nodata comes in areas
    image = grey_from_array(values)
    assert image.valid is None
    assert np.all(image.pixels[3:10, 4] == 255)


@pytest.mark.parametrize(("low", "high"), [(0, 5000), (10, 5000), (0, 65535), (60000, 65535)])
def test_shadow_and_saturation_near_the_rest_are_measurements(low: int, high: int) -> None:
    values = ground("uint16", low, high)
    values[INVALID] = low
    assert valid_values(values) is None
    values[INVALID] = high
    assert valid_values(values) is None


def test_8_bits_hold_no_value_for_none() -> None:
    values = texture(3, 60, 90) // 4 + 150
    values[INVALID] = 0
    assert grey_from_array(values).valid is None


def test_two_grey_levels_are_no_constant_far_from_the_rest() -> None:
    values = np.where(INVALID, 100, 5000).astype(np.uint16)
    assert valid_values(values) is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_masked_arrays_are_masked(dtype: str, channels: int) -> None:
    values = ground(dtype, 20, 250)
    values[INVALID] = 3  # what is under the mask does not matter
    stacked = np.stack([values] * channels, axis=2) if channels > 1 else values
    mask = np.zeros(stacked.shape, bool)
    mask[INVALID] = True
    masked(np.ma.masked_array(stacked, mask))
    if channels > 1:  # one channel is enough
        mask[..., 1:] = False
        masked(np.ma.masked_array(stacked, mask))


def test_an_array_that_could_be_masked_and_is_not_is_whole() -> None:
    values = np.ma.masked_array(ground("uint16"))
    assert grey_from_array(values).valid is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_of_zero_is_masked(dtype: str) -> None:
    values = ground(dtype, 20, 250)
    alpha = np.where(INVALID, 0, 1).astype(dtype)
    masked(np.stack([values, values, values, alpha], axis=2))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_of_a_png_is_masked(tmp_path: Path, dtype: str, colours: int) -> None:
    values = ground(dtype, 20, 250)
    alpha = np.where(INVALID, 0, 7).astype(dtype)
    layers = [values, values, values, alpha] if colours == 3 else [values, alpha]
    if colours == 1:
        (tmp_path / "image.png").write_bytes(grey_alpha_png(np.stack(layers, axis=2)))
    else:
        (tmp_path / "image.png").write_bytes(encode(np.stack(layers, axis=2), ".png"))
    image = read_image(tmp_path / "image.png")
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~INVALID)
    assert (image.dtype, image.channels) == (dtype, colours + 1)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_transparent_value_of_a_grey_png_is_masked(tmp_path: Path, bits: int) -> None:
    values = (texture(3, 60, 90).astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint32)
    key = int(values[0, 0])
    (tmp_path / "image.png").write_bytes(grey_png(values, bits, transparent=key))
    image = read_image(tmp_path / "image.png")
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, values != key)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_big_endian_arrays_are_read_as_native_ones(dtype: str, channels: int) -> None:
    values = np.stack([ground(dtype, 10 + i, 240 + i) for i in range(channels)], axis=2)
    big = values.astype(values.dtype.newbyteorder(">"))
    image, other = grey_from_array(values), grey_from_array(big)
    np.testing.assert_array_equal(image.pixels, other.pixels)
    assert (image.dtype, image.stretch) == (other.dtype, other.stretch) == (dtype, other.stretch)


def test_an_image_of_too_little_is_refused() -> None:
    values = ground("float32")
    values[6:] = np.nan
    image = grey_from_array(values)
    assert image.valid_fraction == pytest.approx(0.1)
    values[5] = np.nan
    with pytest.raises(
        InputError, match=r"x: only 8\.3% of the pixels are valid .* 10% are needed"
    ):
        grey_from_array(values, "x")
    with pytest.raises(InputError, match=r"only 0\.0% of the pixels are valid"):
        grey_from_array(np.full((60, 90), np.nan))


def test_given_values_are_not_changed() -> None:
    for values in (ground("uint8", 20, 250), ground("float32")):
        alpha = np.ma.masked_array(values, INVALID)
        before = values.copy()
        grey_from_array(alpha)
        np.testing.assert_array_equal(values, before)


def test_large_images_are_stretched_from_valid_samples_alone() -> None:
    values = np.tile(np.arange(4096, dtype=np.float32) + 100, (2500, 1))  # 10 megapixels
    values[:1000] = np.nan
    assert grey_from_array(values).stretch == pytest.approx((100, 4195), abs=2)


def grey_png(values: NDArray[Any], bits: int, transparent: int) -> bytes:
    """A grey PNG with a tRNS chunk."""
    each = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(each.reshape(values.shape[0], -1).astype(np.uint8), axis=1)
    return _png(values.shape, bits, 0, rows, [(b"tRNS", struct.pack(">H", transparent))])


def grey_alpha_png(values: NDArray[Any]) -> bytes:
    """A PNG of grey and alpha, which OpenCV does not write."""
    big = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">")))
    rows = big.view(np.uint8).reshape(values.shape[0], -1)
    return _png(values.shape, 8 * values.dtype.itemsize, 4, rows, [])


def _png(
    shape: tuple[int, ...],
    bits: int,
    colour: int,
    rows: NDArray[np.uint8],
    more: list[tuple[bytes, bytes]],
) -> bytes:
    header = struct.pack(">IIBBBBB", shape[1], shape[0], bits, colour, 0, 0, 0)
    pixels = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    chunks = [(b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks
    )


@pytest.mark.parametrize("masks", [np.ones((64, 64), bool), np.ones((2, 64, 64), bool), (None,)])
def test_masks_are_two(masks: Any) -> None:
    with pytest.raises(InputError, match="`masks` are two, the left image's and the right one's"):
        read_pair(np.eye(64, dtype=np.uint8), np.eye(64, dtype=np.uint8), None, masks)
