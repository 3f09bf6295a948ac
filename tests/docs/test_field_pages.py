"""Pages of file formats: every field has its meaning."""

from __future__ import annotations

import re
from typing import Literal

import field_pages
import msgspec
import pytest
from docs.markdown_pages import ROOT

FORMATS = sorted(
    found
    for page in (ROOT / "docs/formats").glob("*.md")
    for found in re.findall(r"<!-- fields (\S+) -->", page.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_field_of_a_format_is_explained(name: str) -> None:
    silent = {
        f"{struct.__name__}.{field}"
        for struct in field_pages.structs_in(field_pages.load(name))
        for field in set(struct.__struct_fields__) - set(field_pages.described(struct))
    }
    assert silent == set()


class Inner(msgspec.Struct):
    """Something inside.

    Attributes:
        depth: Metres, in the left
            camera's frame.
    """

    depth: float


class Outer(msgspec.Struct):
    """Something.

    Attributes:
        inner: One.
        kind: Which.
        more: Others, by name.
    """

    inner: Inner | None
    kind: Literal["a", "b"]
    more: dict[str, list[Inner]] = {}


def test_a_struct_becomes_a_section_for_itself_and_each_inside_it() -> None:
    text = field_pages.fields_section(Outer)
    assert "## Outer\n\nSomething.\n" in text
    assert "`inner`\n:   *[inner](#inner) or null.* One." in text
    assert "`kind`\n:   *`a` or `b`.* Which." in text
    assert "`more`\n:   *names with list of [inner](#inner), optional.* Others, by name." in text
    assert text.count("## Inner") == 1
    assert "`depth`\n:   *number.* Metres, in the left camera's frame." in text
