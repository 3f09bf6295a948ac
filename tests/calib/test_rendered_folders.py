"""Rendered pairs in a folder: each whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from lunar_calib.datasets.rendered_folders import write_folder
from lunar_calib.datasets.rig_files import RIG_PAIR_NAMES
from lunar_calib.render.renderer import render_pair
from lunar_runtime.errors import OutputError


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_pair_that_is_replaced_leaves_no_file_of_the_old_one(tmp_path: Path) -> None:
    list(write_folder(tmp_path / "set", 1, 64, 1, image="jpg"))
    pair = tmp_path / "set" / "paire00001"
    assert "im_00000.jpg" in names(pair)
    list(write_folder(tmp_path / "set", 1, 64, 1, layout="rig", overwrite=True))
    assert names(pair) == RIG_PAIR_NAMES
    (pair / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"'notes.txt', which is not ours to overwrite"):
        list(write_folder(tmp_path / "set", 1, 64, 1, layout="rig", overwrite=True))
    assert names(pair) == {*RIG_PAIR_NAMES, "notes.txt"}


@pytest.mark.parametrize("there", [False, True])
def test_what_fails_leaves_whole_pairs_alone_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    out = tmp_path / "set"
    if there:
        out.mkdir()
    render, left = render_pair, [1]

    def fails(*arguments: object) -> object:
        if not left:
            raise MemoryError
        left.pop()
        return render(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("lunar_calib.datasets.rendered_folders.render_pair", fails)
    with pytest.raises(MemoryError):
        list(write_folder(out, 2, 64, 1, layout="rig"))
    assert names(out) == {"paire00001"}
    assert names(out / "paire00001") == RIG_PAIR_NAMES
    other = tmp_path / "other"
    with pytest.raises(MemoryError):
        list(write_folder(other, 1, 64, 1))
    assert not other.exists()
