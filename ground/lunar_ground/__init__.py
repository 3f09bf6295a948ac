"""What is needed on the ground only: planetary formats, maps, pages, recordings, archives.

The names below load on first use (PEP 562): a command says that memory is too little before NumPy
is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunar_ground.planetary.image import PlanetaryImage
    from lunar_ground.planetary.reader import open_planetary

__all__ = ["PlanetaryImage", "open_planetary"]

_MODULES = {
    "PlanetaryImage": "lunar_ground.planetary.image",
    "open_planetary": "lunar_ground.planetary.reader",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
