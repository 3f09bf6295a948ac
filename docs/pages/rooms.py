"""The rooms of every package, as import-linter's contracts in pyproject.toml order them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"

Layers = list[list[str]]


def contracts(pyproject: Path = PYPROJECT) -> dict[str, Layers]:
    """The rooms of each package that has a contract of the type `layers` for its inside.

    Args:
        pyproject: The file with `[[tool.importlinter.contracts]]`.

    Returns:
        Package -> its layers, highest first; each a list of the rooms that stand side by side.
    """
    settings = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]
    found: dict[str, Layers] = {}
    for contract in settings["contracts"]:
        if contract["type"] == "layers":
            for package in _packages(contract, settings["root_packages"]):
                found[package] = [_names(layer, package) for layer in contract["layers"]]
    return found


def _packages(contract: dict[str, Any], roots: list[str]) -> list[str]:
    """What a contract is about: its containers, or the package that all its layers are in."""
    if "containers" in contract:
        return list(contract["containers"])
    tops = {name.partition(".")[0] for layer in contract["layers"] for name in _split(layer)}
    inside = all("." in name for layer in contract["layers"] for name in _split(layer))
    return sorted(tops) if inside and len(tops) == 1 and tops <= set(roots) else []


def _names(layer: str, package: str) -> list[str]:
    return [name.removeprefix(f"{package}.") for name in _split(layer)]


def _split(layer: str) -> list[str]:
    """`"sets | (truth)"` -> `["sets", "truth"]`."""
    return [name.strip(" ()") for name in re.split(r"[|:]", layer)]
