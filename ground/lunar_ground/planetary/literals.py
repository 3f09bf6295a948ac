"""Numbers as labels write them: decimal, or in another base as the bits of a sample.

PDS3 writes `16#FF7FFFFB#`, PDS4 `0xFF7FFFFB` or the same as PDS3. Such a constant is the bit
pattern of a sample, most significant bit first: of a 32-bit real it is -3.4028227e38.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lunar_ground.planetary.format_error import FormatError

#: Words for "there is none", in capitals.
NONE_WORDS = frozenset({"", "-", "N/A", "NA", "NONE", "NULL", "UNK", "UNKNOWN", "NOT APPLICABLE"})

_PDS3_BASE = re.compile(r"([+-]?)(\d{1,2})#([+-]?)([0-9A-Fa-f]+)#")
_HEXADECIMAL = re.compile(r"()()0[xX]()([0-9A-Fa-f]+)")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_MOST_DIGITS = 80  # of a number in another base; 64 bits are 64 digits at most


class Literal(NamedTuple):
    """A number of a label.

    Attributes:
        value: As a decimal number would say it; bits are taken as a positive number.
        is_bits: Whether it was written as bits, and not as a decimal number.
    """

    value: int | float
    is_bits: bool


def read_literal(text: str) -> Literal:
    """Read a number.

    Raises:
        FormatError: It is none.
    """
    text = text.strip()
    match = _PDS3_BASE.fullmatch(text) or _HEXADECIMAL.fullmatch(text)
    if match and len(match[4]) <= _MOST_DIGITS:
        base = int(match[2] or 16)
        try:
            value = int(match[4], base) if 2 <= base <= 16 else None
        except ValueError:  # a digit that the base does not have
            value = None
        if value is not None:
            negative = "-" in (match[1], match[3])
            return Literal(-value if negative else value, not negative)
    if re.fullmatch(r"[+-]?\d{1,30}", text):
        return Literal(int(text), False)
    if _DECIMAL.fullmatch(text):
        return Literal(float(text.replace("d", "e").replace("D", "e")), False)
    if _NOT_FINITE.fullmatch(text):
        return Literal(float(text), False)
    raise FormatError(f"{text[:40]!r} is no number; correct the label")
