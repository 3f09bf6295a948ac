"""What installed packages add to this one: their entry points, found as Python itself finds them.

`importlib.metadata` does the same. It imports what reads packages' descriptions, which are e-mails:
12 ms that every pair waited for. It is asked only where packages are not in plain folders.
"""

from __future__ import annotations

import os
import re
import sys
from functools import reduce
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, NamedTuple

_FOLDERS = (".dist-info", ".egg-info")
_FILE = "entry_points.txt"
_VALUE = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]+)\s*)?(?:\[.*\]\s*)?")


class EntryPoint(NamedTuple):
    """One of them.

    Attributes:
        name: It is asked for by.
        value: Where it is, as in `module:attribute`.
        about: The folder that describes its package; or in an archive, the package's name.
    """

    name: str
    value: str
    about: str

    def load(self) -> Any:
        """Import it.

        Raises:
            ValueError: Its place is none.
            Exception: Whatever its module does when it is imported.
        """
        place = _VALUE.fullmatch(self.value)
        if place is None:
            raise ValueError(f"{self.value!r} is no module:attribute")
        module = import_module(place["module"])
        return reduce(getattr, filter(None, (place["attribute"] or "").split(".")), module)

    @property
    def package(self) -> str:
        """The name of its package."""
        from importlib.metadata import Distribution

        if not os.path.isdir(self.about):  # noqa: PTH112
            return self.about
        return Distribution.at(self.about).metadata["Name"]


def entry_points(group: str) -> tuple[EntryPoint, ...]:
    """All of a group; of packages that are there twice, those of the first on Python's path."""
    if not _all_in_folders():
        return _by_metadata(group)
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208  a hundred names, and few are wanted
        except OSError:
            continue
        for name in names:
            if not name.lower().endswith(_FOLDERS):
                continue
            stem = os.path.splitext(name)[0]  # noqa: PTH122
            project = re.sub(r"[-_.]+", "_", stem.partition("-")[0]).lower()
            if project not in seen:
                seen.add(project)
                found += _of_package(os.path.join(place, name), group)  # noqa: PTH118
    return tuple(found)


def _all_in_folders() -> bool:
    """Whether every package is a folder on Python's path, or could be none."""
    if not all(isinstance(place, str) for place in sys.path):  # as a Path: Python passes over it
        return False
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    archives = any(place.endswith(".egg") or os.path.isfile(place) for place in sys.path)  # noqa: PTH113
    return finders == [PathFinder] and not archives


def _of_package(about: str, group: str) -> list[EntryPoint]:
    try:
        with open(os.path.join(about, _FILE), encoding="utf-8") as stream:  # noqa: PTH118, PTH123
            text = stream.read()
    except OSError:  # it has none, as most
        return []
    found, here = [], False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            here = line == f"[{group}]"
        elif here and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append(EntryPoint(name.strip(), value.strip(), about))
    return found


def _by_metadata(group: str) -> tuple[EntryPoint, ...]:
    from importlib import metadata

    return tuple(
        EntryPoint(one.name, one.value, one.dist.name if one.dist else one.value)
        for one in metadata.entry_points(group=group)
    )
