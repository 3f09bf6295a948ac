"""JSON that means one thing only, checked before a decoder that would take more."""

from __future__ import annotations

import json
import math
from typing import Any

from lunar_runtime.files.printable import UNPRINTABLE

_DEEPEST = 16  # our own files nest 5 deep
_LONGEST_NUMBER = 40  # characters; the longest of a double has 24


def check_json(content: bytes, *, any_text: bool = False) -> None:
    """Refuse what two readers could read differently, and what nobody means.

    That is text that is no UTF-8, a key that comes twice, NaN and numbers beyond those of 64 bits,
    values nested deeper than 16, and, in keys and texts, characters that a terminal obeys.

    Args:
        content: Of a file, of bounded size.
        any_text: Leave out the check of texts: those of a library, which nobody prints.

    Raises:
        ValueError: With the reason, in words for one line.
    """
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
        )
        _check(value, any_text, _DEEPEST)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error


_TOO_DEEP = f"values are nested deeper than {_DEEPEST}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER or not -(1 << 63) <= int(text) < 1 << 63:
        raise ValueError(f"the number {text[:_LONGEST_NUMBER]} is too large")
    return int(text)


def _number(text: str) -> float:
    if len(text) > _LONGEST_NUMBER or not math.isfinite(float(text)):
        raise ValueError(f"the number {text[:_LONGEST_NUMBER]} is too large")
    return float(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _check(value: object, any_text: bool, depth: int) -> None:
    if isinstance(value, str):
        if not any_text and UNPRINTABLE.search(value):
            raise ValueError(f"the text {value[:60]!r} holds control characters")
    elif isinstance(value, (dict, list)):
        if not depth:
            raise ValueError(_TOO_DEEP)
        for member in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(member, any_text, depth - 1)
