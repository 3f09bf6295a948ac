"""The label of an ISIS cube or a PDS3 product, as sections of keywords.

Both are dialects of one language: statements `KEYWORD = value`, objects and groups that hold more
of them, and an END. Numbers stay text until somebody asks for them: only then it is known whether
`16#FF7FFFFB#` is an integer or the bits of a real. `label_tokens` splits the text.

The reader is forgiving where a label's meaning is not in doubt: a value may be missing or several
words, a keyword may come twice, an object's end need not repeat its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.label_tokens import Token, Tokens
from lunar_ground.planetary.literals import NONE_WORDS, read_literal

_MOST_WHOLE = 1 << 48
_MOST_DEPTH = 32
_BEGINS = ("OBJECT", "GROUP", "BEGIN_OBJECT", "BEGIN_GROUP")
_ENDS = ("END_OBJECT", "END_GROUP")


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


def read_label(text: str) -> Section:
    """Read a label.

    Args:
        text: It, and whatever follows its END.

    Raises:
        FormatError: It has no END, or cannot be understood.
    """
    tokens = Tokens(text)
    open_sections = [Section()]
    while True:
        word = tokens.take_word()
        keyword = word.text.upper()
        if keyword == "END" and not tokens.next_is("="):
            if len(open_sections) > 1:
                raise word.error(f"{open_sections[-1].name} has no end")
            return open_sections[0]
        if keyword in _ENDS:
            named = tokens.take_word().text.upper() if tokens.skip("=") else ""
            if len(open_sections) == 1 or named not in ("", open_sections[-1].name):
                raise word.error(f"{keyword} {named[:40]} ends nothing")
            open_sections.pop()
        elif not tokens.skip("="):
            raise word.error(f"{keyword[:40]} has no value")
        elif keyword in _BEGINS:
            section = Section(tokens.take_word().text.upper())
            open_sections[-1].sections.append(section)
            open_sections.append(section)
            if len(open_sections) > _MOST_DEPTH:
                raise word.error("its objects are too deep")
        else:
            open_sections[-1].values[keyword] = _value(tokens, word)
        tokens.skip(";")


def _value(tokens: Tokens, keyword: Token) -> tuple[Item, ...]:
    """A value or all of a sequence's, whatever brackets they are in."""
    items: list[Item] = []
    depth = 0
    while True:
        token = tokens.peek()
        if token.kind == "open":
            depth += 1
        elif token.kind == "close" and depth:
            depth -= 1
        elif token.kind in ("word", "string"):
            if not depth and not _belongs(tokens, token, keyword):
                break
            items.append(Item(token.text))
        elif token.kind == "unit":
            items = _with_unit(items, token.text, alone=token.after_item)
        elif not (token.kind == "," and depth):
            if depth:
                raise token.error(f"{keyword.text[:40]} is not closed")
            break
        tokens.take()
    return tuple(items)


def _belongs(tokens: Tokens, token: Token, keyword: Token) -> bool:
    """Whether a word outside brackets is the value, or more of it in the same line."""
    if token.kind == "string":
        return tokens.last is keyword or tokens.last.kind == "="
    starts_statement = tokens.next_is("=", ahead=1)
    first = tokens.last.kind == "="
    return not starts_statement and (token.line == tokens.last.line or (first and not token.is_end))


def _with_unit(items: list[Item], unit: str, *, alone: bool) -> list[Item]:
    """A unit behind an item is that item's, behind a bracket all items'."""
    if not items:
        return items
    kept, measured = (items[:-1], items[-1:]) if alone else ([], items)
    return [*kept, *(item._replace(unit=unit.upper()) for item in measured)]
