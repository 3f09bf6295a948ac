"""The sample types of PDS3."""

from __future__ import annotations

import re

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.label import Section
from lunar_ground.planetary.sample_types import SampleType, integer, real, vax_real

_BIG = ("", "MSB_", "SUN_", "MAC_", "IEEE_")
_INTEGER = re.compile(r"(|MSB_|SUN_|MAC_|LSB_|PC_|VAX_)(UNSIGNED_)?INTEGER")
_REAL = re.compile(r"(|IEEE_|MSB_|SUN_|MAC_|LSB_|PC_)(REAL|FLOAT)")
_SIZES = (1, 2, 4, 8)


def sample_type(image: Section, *, is_qube: bool) -> SampleType:
    """How an image's or qube's samples are stored.

    Raises:
        FormatError: In a way that is not read.
    """
    if is_qube:
        name = image.text("CORE_ITEM_TYPE").replace(" ", "_")
        bits = 8 * image.whole("CORE_ITEM_BYTES", None, 1)
    else:
        name = image.text("SAMPLE_TYPE").replace(" ", "_")
        bits = image.whole("SAMPLE_BITS", None, 1)
    size, rest = divmod(bits, 8)
    if rest == 0 and size in _SIZES:
        match = _INTEGER.fullmatch(name)
        if match:
            signed = match[2] is None and size > 1
            return integer(size, signed=signed, big_endian=match[1] in _BIG)
        match = _REAL.fullmatch(name)
        if match and size in (4, 8):
            return real(size, big_endian=match[1] in _BIG)
        if (name, size) in (("VAX_REAL", 4), ("VAX_REAL", 8), ("VAX_DOUBLE", 8)):
            return vax_real(size)
    raise FormatError(
        f"not supported: samples of type {name[:40] or 'unknown'} with {bits} bits; convert the "
        "image to TIFF with gdal_translate"
    )
