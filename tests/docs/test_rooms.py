"""The tables of DESIGN.md and the picture say what the import contracts say."""

from __future__ import annotations

import re
from pathlib import Path

import architecture_picture
import pytest
import rooms
from docs.markdown_pages import ROOT

PACKAGES = [name for name in rooms.contracts() if "." not in name]


def told(package: str) -> list[list[str]]:
    """The rooms in a package's table in DESIGN.md, row by row."""
    design = (ROOT / "DESIGN.md").read_text(encoding="utf-8")
    section = design.partition(f"### `{package}`")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return [sorted(re.findall(r"`([^`]+)`", row)) for row in rows]


@pytest.mark.parametrize("package", PACKAGES)
def test_design_names_the_rooms_of_a_package_in_their_order(package: str) -> None:
    lowest_first = [sorted(layer) for layer in reversed(rooms.contracts()[package])]
    assert told(package) == lowest_first


def test_the_picture_shows_the_rooms_that_the_contracts_have() -> None:
    drawn = architecture_picture.picture(rooms.contracts())
    assert architecture_picture.OUT.read_text(encoding="utf-8") == drawn, "run `make pictures`"


def test_a_contract_is_read_whichever_way_it_is_written(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[tool.importlinter]\nroot_packages = ["a", "b"]\n'
        '[[tool.importlinter.contracts]]\ntype = "layers"\nlayers = ["a", "b"]\n'
        '[[tool.importlinter.contracts]]\ntype = "layers"\nlayers = ["a.top | a.beside", "a.low"]\n'
        '[[tool.importlinter.contracts]]\ntype = "layers"\ncontainers = ["b"]\n'
        'layers = ["top", "(middle)", "low : lower"]\n'
        '[[tool.importlinter.contracts]]\ntype = "forbidden"\n'
    )
    assert rooms.contracts(pyproject) == {
        "a": [["top", "beside"], ["low"]],
        "b": [["top"], ["middle"], ["low", "lower"]],
    }
