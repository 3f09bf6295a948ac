"""ISIS cubes, with the label in front or in a file of its own.

The special pixels are those of ISIS: NULL, and low and high saturation, each of the instrument and
of the representation. They are told from what is stored, before Base and Multiplier.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lunar_ground.planetary.data_file import find_beside
from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.image import PlanetaryImage, check_scale
from lunar_ground.planetary.label import Section
from lunar_ground.planetary.layout import Layout
from lunar_ground.planetary.map_notes import map_note
from lunar_ground.planetary.sample_types import SampleType, integer, real
from lunar_ground.planetary.special_values import SpecialValues


class _PixelType(NamedTuple):
    kind: str
    size: int
    special: SpecialValues


# What ISIS' base/objs/SpecialPixel names valid. Its signed integers have the bit patterns of its
# reals, and sources differ by one in where these start: both are left out.
_TYPES = {
    "UNSIGNEDBYTE": _PixelType("u", 1, SpecialValues(least=1, most=254)),
    "SIGNEDBYTE": _PixelType("i", 1, SpecialValues()),
    "UNSIGNEDWORD": _PixelType("u", 2, SpecialValues(least=3, most=65522)),
    "SIGNEDWORD": _PixelType("i", 2, SpecialValues(least=-32752)),
    "UNSIGNEDINTEGER": _PixelType("u", 4, SpecialValues(least=3, most=4294967282)),
    "SIGNEDINTEGER": _PixelType("i", 4, SpecialValues(frozenset(range(-8388614, -8388608)))),
    "REAL": _PixelType("f", 4, SpecialValues(least=np.array(0xFF7FFFFA, "u4").view("f4").item())),
    "DOUBLE": _PixelType(
        "f", 8, SpecialValues(least=np.array(0xFFEFFFFFFFFFFFFA, "u8").view("f8").item())
    ),
}
_MOST_BANDS = 1 << 16


def read_isis(path: Path, label: Section) -> PlanetaryImage:
    """What a cube's label says.

    Args:
        path: The file that the label came from.
        label: All of it.

    Raises:
        FormatError: It cannot be used.
    """
    cube = label.section("ISISCUBE")
    core = cube.section("CORE")
    pixels = core.section("PIXELS")
    name = pixels.text("TYPE")
    if name not in _TYPES:
        raise FormatError(f"not supported: Type = {name[:40]}; convert it with isis2std or gdal")
    kind, size, special = _TYPES[name]
    order = pixels.text("BYTEORDER", "LSB")
    if order not in ("LSB", "MSB"):
        raise FormatError(f"ByteOrder = {order[:40]}; it must be Lsb or Msb: correct the label")
    big = order == "MSB"
    if kind == "f":
        sample = real(size, big_endian=big)
    else:
        sample = integer(size, signed=kind == "i", big_endian=big)
    file = _data_file(path, core)
    layout = _layout(core, file, sample)
    scale, offset = pixels.number("MULTIPLIER", 1.0), pixels.number("BASE", 0.0)
    check_scale(scale, offset)
    notes = tuple(
        map_note(section.text("PROJECTIONNAME"), section.text("LONGITUDEDIRECTION"))
        for section in cube.sections
        if section.name == "MAPPING"
    )
    files = (path,) if file == path else (path, file)
    return PlanetaryImage(path, "ISIS cube", layout, special, scale, offset, files, notes)


def _data_file(path: Path, core: Section) -> Path:
    for keyword in ("^CORE", "^DNFILE"):
        named = core.texts(keyword)
        if named and keyword == "^DNFILE":
            raise FormatError(f"not supported: an external cube; give {named[0]} itself")
        if named:
            return find_beside(path, named[0])
    return path


def _layout(core: Section, file: Path, sample: SampleType) -> Layout:
    size = core.section("DIMENSIONS")
    shape = (
        size.whole("BANDS", 1, 1),
        size.whole("LINES", None, 1),
        size.whole("SAMPLES", None, 1),
    )
    if shape[0] > _MOST_BANDS:
        raise FormatError(f"Bands = {shape[0]} cannot be; correct the label")
    start = core.whole("STARTBYTE", None, 1) - 1
    form = core.text("FORMAT", "BANDSEQUENTIAL")
    if form == "BANDSEQUENTIAL":
        return Layout.sequential(file, start, sample, shape)
    if form == "TILE":
        tile = core.whole("TILELINES", None, 1), core.whole("TILESAMPLES", None, 1)
        return Layout.tiled(file, start, sample, shape, tile)
    raise FormatError(f"not supported: Format = {form[:40]}; convert it with cubeatt")
