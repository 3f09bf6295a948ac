"""The label of an ISIS cube or a PDS3 product, as sections of keywords.

pvl reads the grammar. Numbers stay text until somebody asks for them: only then it is known whether
`16#FF7FFFFB#` is an integer or the bits of a real.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.literals import NONE_WORDS, read_literal

with warnings.catch_warnings():  # of pvl itself: optional packages, a class of its own
    warnings.simplefilter("ignore")
    import pvl
    import pvl.decoder
    from pvl.collections import Quantity

#: A label must end within so many bytes of the file's start. Labels of mosaics with their history
#: have 100 kB.
MOST_BYTES = 1 << 20

# pvl takes 0.7 ms a statement. LROC's labels have about 100.
_MOST_STATEMENTS = 10_000
_MOST_WHOLE = 1 << 48
_END = re.compile(r"^[ \t]*END[ \t]*;?[ \t\x00]*\r?$", re.IGNORECASE | re.MULTILINE)


# Signs and # are not allowed in words.
_NUMBER = re.compile(r"[+-]?\d+#[+-]?[0-9A-Za-z]+#|[+-]?[\d.]+([eEdD][+-]?\d+)?")


class Item(NamedTuple):
    """A value without its quotes, and its unit in capitals, empty where there is none."""

    text: str
    unit: str = ""


@dataclass(frozen=True)
class Section:
    """An object or group, or the whole label. Names are in capitals.

    Attributes:
        name: Of the object or group; empty for the whole label.
        values: By keyword; a sequence's items stand side by side. The last of several counts.
        sections: The objects and groups inside, in their order.
    """

    name: str = ""
    values: dict[str, tuple[Item, ...]] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)

    def walk(self) -> Iterator[Section]:
        """This section and all inside, from the outermost inwards."""
        yield self
        for section in self.sections:
            yield from section.walk()

    def section(self, name: str) -> Section:
        """The first section of a name directly inside.

        Raises:
            FormatError: There is none.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise FormatError(f"the label has no {name}; give a whole label")

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All items of a keyword that say something; none if it is missing."""
        items = self.values.get(keyword, ())
        return tuple(item.text for item in items if item.text.upper() not in NONE_WORDS)

    def text(self, keyword: str, default: str = "") -> str:
        """The first item of a keyword, in capitals."""
        return next(iter(self.texts(keyword)), default).upper()

    def whole(self, keyword: str, default: int | None = None, least: int = 0) -> int:
        """A whole number.

        Raises:
            FormatError: It is missing without a default, no whole number, or out of bounds.
        """
        text = next(iter(self.texts(keyword)), None)
        if text is None and default is not None:
            return default
        if text is None:
            raise FormatError(f"the label's {self.name} has no {keyword}; give a whole label")
        return as_whole(text, keyword, least)

    def number(self, keyword: str, default: float) -> float:
        """A number.

        Raises:
            FormatError: It is none.
        """
        text = next(iter(self.texts(keyword)), None)
        return default if text is None else float(read_literal(text).value)


def as_whole(text: str, keyword: str, least: int) -> int:
    """A whole number of a label, within bounds.

    Raises:
        FormatError: It is none, or out of bounds.
    """
    value = read_literal(text).value
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise FormatError(f"{keyword} = {text[:40]} is no whole number; correct the label")
    if not least <= value <= _MOST_WHOLE:
        raise FormatError(f"{keyword} = {text[:40]} cannot be; correct the label")
    return int(value)


def cut_label(head: bytes) -> str | None:
    """The text up to its END; None where `head` has none."""
    text = head[:MOST_BYTES].decode("latin-1").removeprefix("\xef\xbb\xbf")
    match = _END.search(text)
    return None if match is None else text[: match.end()].replace("\x00", " ") + "\n"


def read_label(text: str) -> Section:
    """Read a label.

    Args:
        text: From its start to its END.

    Raises:
        FormatError: It is not in the label's language, or too long or deep.
    """
    if text.count("=") > _MOST_STATEMENTS:
        raise FormatError(f"the label has over {_MOST_STATEMENTS} statements; shorten it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = pvl.loads(text, decoder=_TextDecoder(grammar=pvl.grammar.OmniGrammar()))
            return _section("", module)
    except RecursionError:
        raise FormatError("the label's objects are too deep; correct it") from None
    except Exception as error:  # pvl has several kinds, and lets Python's own through
        reason = " ".join(str(getattr(error, "msg", "") or error).split())
        reason = reason.rpartition("(LexerError(...), ")[2][:160]
        raise FormatError(f"the label cannot be read ({reason}); correct it") from error


class _TextDecoder(pvl.decoder.OmniDecoder):  # type: ignore[misc]  # pvl has no types
    """Leaves every simple value text."""

    def decode_simple_value(self, value: str) -> str:
        try:
            return str(self.decode_quoted_string(value))
        except ValueError:
            if _NUMBER.fullmatch(value):
                return value
            return str(self.decode_unquoted_string(value))  # ValueError: a bracket, and its like


def _section(name: str, block: Any) -> Section:
    section = Section(name)
    for key, value in block.items():
        if isinstance(value, pvl.collections.PVLAggregation):
            section.sections.append(_section(key.upper(), value))
        else:
            section.values[key.upper()] = tuple(_items(value))
    return section


def _items(value: Any, unit: str = "") -> Iterator[Item]:
    if isinstance(value, Quantity):
        yield from _items(value.value, str(value.units).upper())
    elif isinstance(value, (list, tuple, set, frozenset)):
        for part in value:
            yield from _items(part, unit)
    else:
        yield Item(str(value), unit)
