"""The language of ISIS' and PDS3's labels."""

from __future__ import annotations

import pytest
from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.label import Item, Section, read_label
from lunar_ground.planetary.literals import read_literal


def values(text: str) -> dict[str, tuple[Item, ...]]:
    return read_label(f"{text}\nEND\n").values


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("A = 5", [Item("5")]),
        ("a=5;", [Item("5")]),
        ("A = 5 /* five */", [Item("5")]),
        ("A = 5 # five", [Item("5")]),
        ("A = 16#FF7FFFFB#", [Item("16#FF7FFFFB#")]),
        ("A = 1.5 <km/s>", [Item("1.5", "KM/S")]),
        ('A = ("x.img", 33 <BYTES>)', [Item("x.img"), Item("33", "BYTES")]),
        ("A = (1, (2, 3)) <m>", [Item("1", "M"), Item("2", "M"), Item("3", "M")]),
        ("A = {1, 2}", [Item("1"), Item("2")]),
        ("A =\n  (1,\n   2)", [Item("1"), Item("2")]),
        ("A =\n  word", [Item("word")]),
        ('A = "two\n   lines = one"', [Item("two lines = one")]),
        ("A = 'it'", [Item("it")]),
        ('A = ""', [Item("")]),
        ("A =", []),
        ("A = N/A", [Item("N/A")]),
        ("A = 2009-06-30T23:59:60.5", [Item("2009-06-30T23:59:60.5")]),
        ("A = (a_-\n   b.cub, c)", [Item("a_b.cub"), Item("c")]),
        ('A = "one-\r\n   two"', [Item("onetwo")]),
        ("A = -5", [Item("-5")]),
        ("A = five km or so", [Item("five"), Item("km"), Item("or"), Item("so")]),
        ("A = 1\nA = 2", [Item("2")]),
    ],
)
def test_a_value_in_every_form(text: str, items: list[Item]) -> None:
    assert values(f"{text}\nB = 7") == {"A": tuple(items), "B": (Item("7"),)}


def test_objects_and_groups_hold_statements_and_one_another() -> None:
    label = read_label(
        "X = 1\nObject = Cube\n  Group = Core\n Y = 2\n End_Group = Core\n Z = 3\nEnd_Object\n"
        "BEGIN_GROUP = G\nEND_GROUP\nEND this is never = ( read"
    )
    assert label == Section(
        "",
        {"X": (Item("1"),)},
        [
            Section("CUBE", {"Z": (Item("3"),)}, [Section("CORE", {"Y": (Item("2"),)})]),
            Section("G"),
        ],
    )
    assert [section.name for section in label.walk()] == ["", "CUBE", "CORE", "G"]


def test_what_follows_the_end_is_never_looked_at() -> None:
    assert read_label('A = 1\r\nEND\r\n\x00\xff"(').values == {"A": (Item("1"),)}


@pytest.mark.parametrize(
    ("text", "value", "is_bits"),
    [
        ("16#FF7FFFFB#", 0xFF7FFFFB, True),
        ("0xff7ffffb", 0xFF7FFFFB, True),
        ("2#1010#", 10, True),
        ("-16#7F#", -127, False),
        ("16#-7F#", -127, False),
        ("-32768", -32768, False),
        ("+1.5e3", 1500.0, False),
        ("1.5D3", 1500.0, False),
        (".5", 0.5, False),
        ("inf", float("inf"), False),
    ],
)
def test_a_number_in_every_form(text: str, value: float, is_bits: bool) -> None:
    assert read_literal(text) == (value, is_bits)


@pytest.mark.parametrize("text", ["", "five", "16#GG#", "2#3#", "99#1#", "1e", "0x", "1,5", "16#F"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="is no number"):
        read_literal(text)
