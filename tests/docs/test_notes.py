"""Notes are dated, listed and name results that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.markdown_pages import ROOT

RESULTS = ROOT / "benchmarks/results"
NOTES = sorted(page for page in (ROOT / "docs/notes").glob("*.md") if page.name != "index.md")


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_a_note_begins_with_its_date_and_is_listed(note: Path) -> None:
    lines = note.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert re.match(r"\d{4}-\d\d-\d\d", lines[2])
    assert f"]({note.name})" in (ROOT / "docs/notes/index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.stem)
def test_the_results_that_a_note_names_are_there(note: Path) -> None:
    kinds = {path.name.partition("_")[0] for path in RESULTS.iterdir() if "_" in path.name}
    named = re.findall(r"`([a-z]+_[a-z0-9][\w.*-]*)`", note.read_text(encoding="utf-8"))
    results = [name for name in named if name.partition("_")[0] in kinds]
    assert [name for name in results if not list(RESULTS.glob(name.rstrip("*") + "*"))] == []
