"""Checkpoint to bundle: a small, equal ONNX graph, and the proof that it is equal.

    from lunar_export import ExportOptions, export_bundle
    from lunar_student import Outputs, load_checkpoint

    student = load_checkpoint("s2.pt")
    export_bundle(student, "bundle", ExportOptions(Outputs.LEFT), checkpoint="s2.pt")

The names below load on first use, so that importing the package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunar_export.bundling.bundling import ExportOptions, export_bundle

__all__ = ["ExportOptions", "export_bundle"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from lunar_export.bundling import bundling

        return getattr(bundling, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
