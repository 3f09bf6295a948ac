"""Notes add up, and nothing fills them from outside."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from lunar_runtime.inference.notes import Notes


def test_notes_add_up_in_the_order_in_which_they_arose() -> None:
    first, second = Notes.warn("one", "two"), Notes.warn("three")
    assert (first + second).warnings == ("one", "two", "three")
    assert (second + first).warnings == ("three", "one", "two")


def test_counts_of_several_outputs_stand_beside_each_other() -> None:
    both = Notes((), {"pointmap_left": 3}) + Notes((), {"confidence_left": 1})
    assert both.not_finite == {"pointmap_left": 3, "confidence_left": 1}


def test_nothing_to_say_is_nothing() -> None:
    assert Notes.warn(None) == Notes()
    assert Notes.warn(None, "one", None).warnings == ("one",)
    assert Notes.warn("one") + Notes() == Notes.warn("one")


def test_adding_leaves_both_as_they_were() -> None:
    first = Notes(("one",), {"pointmap_left": 3})
    assert first + Notes(("two",), {"pointmap_left": 4}) != first
    assert first == Notes(("one",), {"pointmap_left": 3})
    with pytest.raises(FrozenInstanceError):
        first.warnings = ()  # type: ignore[misc]
