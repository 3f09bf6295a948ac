"""Entry points of installed packages, as `importlib.metadata` finds them."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from lunar_runtime.files.entry_points import EntryPoint, entry_points

GROUP = "lunar_edge.test_group"


def describe(folder: Path, package: str, text: str) -> None:
    about = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(text)


def test_they_are_those_that_python_finds() -> None:
    groups = {entry.group for one in metadata.distributions() for entry in one.entry_points}
    assert "console_scripts" in groups
    for group in groups:
        found = sorted((entry.name, entry.value) for entry in entry_points(group))
        assert found == sorted((one.name, one.value) for one in metadata.entry_points(group=group))


def test_comments_and_other_groups_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"[console_scripts]\na = b:c\n\n[{GROUP}]\n# no = one\n one= json : loads [x, y]\n[b]\n"
    describe(tmp_path, "lunar-other", text)
    monkeypatch.syspath_prepend(tmp_path)
    (entry,) = entry_points(GROUP)
    assert (entry.name, entry.package) == ("one", "lunar-other")
    assert entry.load()("[1]") == [1]


def test_a_package_that_is_there_twice_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("lunar-twice", "lunar.twice")):
        describe(tmp_path / str(number), name, f"[{GROUP}]\nof = json:dumps\nat = n{number}:x\n")
    for number in (1, 0):
        monkeypatch.syspath_prepend(tmp_path / str(number))
    assert [entry.value for entry in entry_points(GROUP)] == ["json:dumps", "n0:x"]


def test_packages_in_an_archive_are_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as written:
        about = "lunar_zipped-1.0.dist-info"
        written.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: lunar-zipped\n")
        written.writestr(f"{about}/entry_points.txt", f"[{GROUP}]\nin = json:loads\n")
    monkeypatch.syspath_prepend(archive)
    (entry,) = entry_points(GROUP)
    assert (entry.name, entry.value, entry.package) == ("in", "json:loads", "lunar-zipped")


def test_a_path_that_is_no_text_is_where_python_itself_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe(tmp_path, "lunar-path", f"[{GROUP}]\non = json:loads\n")
    monkeypatch.setattr(sys, "path", [tmp_path, *sys.path])
    assert [entry.package for entry in entry_points(GROUP)] == ["lunar-path"]


@pytest.mark.parametrize("value", ["", "json:", "a b", "json:loads:more"])
def test_what_is_no_place_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="is no module:attribute"):
        EntryPoint("x", value, "somewhere").load()


def test_a_module_alone_is_a_place() -> None:
    assert EntryPoint("x", "json", "somewhere").load() is sys.modules["json"]
