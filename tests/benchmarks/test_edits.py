"""The campaign of edits: it draws real edits, counts what it must, and finds what is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.edits import measure
from lunar_bench.edits.edit import KINDS, draw_edit, every_bit, every_truncation
from lunar_bench.report import headlines
from lunar_runtime.errors import BundleError
from runtime.plane_bundle import write_plane_bundle

from .command_line import run


def test_every_edit_changes_the_file_and_all_kinds_are_drawn() -> None:
    rng = np.random.default_rng(0)
    content = b"{\n" + bytes(range(256)) * 8 + b"\n}"
    edits = [draw_edit(content, rng) for _ in range(600)]
    assert all(edit.content != content for edit in edits)
    assert {edit.kind for edit in edits} == set(KINDS)
    assert [len(found) for found in every_truncation(b"abc")] == [0, 1, 2]
    assert len(set(every_bit(b"abc")) - {b"abc"}) == 24


def test_every_edit_of_a_small_bundle_is_refused(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bundle = write_plane_bundle(tmp_path / "plane")
    saved = tmp_path / "edits.json"
    code, out, _ = run(capfd, "edits", "--edits", 120, "--bundle", bundle, "--save", saved)
    assert code == 0, out
    assert "manifest.json   40 of 40 edits refused\n" in out
    result = json.loads(saved.read_text())
    assert sum(sum(sum(k.values()) for k in f.values()) for f in result["counts"].values()) == 120
    assert headlines.edits(result) == "120 edits of 3 files: 0 not refused"


def test_an_edit_that_is_taken_is_counted_and_told(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a runtime would that takes the manifest's word for nothing but its fields."""
    bundle = write_plane_bundle(tmp_path / "plane")
    unharmed: dict[str, Callable[..., bytes]] = {"a bit": lambda content, _, __: content[:-1]}
    monkeypatch.setattr("lunar_bench.edits.edit.KINDS", unharmed)

    class Taken(measure._Trial):
        def run(self, name: str, content: bytes) -> tuple[str, str]:
            return super().run(name, self.originals[name])

    monkeypatch.setattr(measure, "_Trial", Taken)
    code, out, _ = run(capfd, "edits", "--edits", 3, "--bundle", bundle)
    assert code == 5
    assert "0 of 1 edits refused" in out
    assert "manifest.json, a bit at" in out and ": accepted" in out


def test_a_bundle_that_is_refused_as_it_is_cannot_be_edited(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        measure.measure_edits(tmp_path / "none", 1, 1)
