"""Stereo pair to pointmap, depth and slope of the Moon, on board.

    from lunar_runtime import StereoRuntime

    with StereoRuntime.load("bundle") as runtime:
        result = runtime.infer("left.png", "right.png", baseline_m=1442.0)

The names below load on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backends import Backend
    from .bundle import Bundle, default_bundle_path, write_bundle
    from .cameras import Intrinsics, Rig, read_rig
    from .errors import (
        BackendError,
        BundleError,
        CheckpointError,
        GateError,
        InputError,
        LunarError,
        OutputError,
        UsageError,
    )
    from .images import GreyImage, read_image
    from .manifest import Manifest
    from .outputs import write_result
    from .pipeline import StereoRuntime, infer_geometry_only
    from .refine import NotRefinedError
    from .report import Report
    from .result import StereoResult

__version__ = "0.1.0"

_HOME = {
    "Backend": "backends",
    "Bundle": "bundle",
    "default_bundle_path": "bundle",
    "write_bundle": "bundle",
    "Intrinsics": "cameras",
    "Rig": "cameras",
    "read_rig": "cameras",
    "BackendError": "errors",
    "BundleError": "errors",
    "CheckpointError": "errors",
    "GateError": "errors",
    "InputError": "errors",
    "LunarError": "errors",
    "OutputError": "errors",
    "UsageError": "errors",
    "GreyImage": "images",
    "read_image": "images",
    "Manifest": "manifest",
    "write_result": "outputs",
    "StereoRuntime": "pipeline",
    "infer_geometry_only": "pipeline",
    "NotRefinedError": "refine",
    "Report": "report",
    "StereoResult": "result",
}

__all__ = [
    "Backend",
    "BackendError",
    "Bundle",
    "BundleError",
    "CheckpointError",
    "GateError",
    "GreyImage",
    "InputError",
    "Intrinsics",
    "LunarError",
    "Manifest",
    "NotRefinedError",
    "OutputError",
    "Report",
    "Rig",
    "StereoResult",
    "StereoRuntime",
    "UsageError",
    "default_bundle_path",
    "infer_geometry_only",
    "read_image",
    "read_rig",
    "write_bundle",
    "write_result",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
