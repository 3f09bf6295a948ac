"""Checkpoint to bundle: a small, equal ONNX graph, and the proof that it is equal.

    from lunar_export import ExportOptions, export_bundle
    from lunar_student import load_checkpoint

    student = load_checkpoint("s2.pt")
    export_bundle(student, "bundle", ExportOptions("left"), checkpoint="s2.pt")

The names below load on first use, so that importing the package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunar_export.bundling.export import export_bundle
    from lunar_export.bundling.options import ExportOptions, PrecisionOptions

_HOME = {
    "ExportOptions": "bundling.options",
    "PrecisionOptions": "bundling.options",
    "export_bundle": "bundling.export",
}

__all__ = ["ExportOptions", "PrecisionOptions", "export_bundle"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
