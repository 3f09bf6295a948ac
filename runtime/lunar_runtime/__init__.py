"""Stereo pair to pointmap, depth and slope of the Moon, on board.

    from lunar_runtime import StereoRuntime

    with StereoRuntime.load("bundle") as runtime:
        result = runtime.infer("left.png", "right.png", baseline_m=1442.0)

The names below load on first use (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from lunar_runtime.version import __version__ as __version__

# ONNX Runtime 1.32 writes a device id and a database into the user's cache unless this is set
# before it is imported. What the user set stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from lunar_runtime.backends.kind import AutoRule, BackendKind
    from lunar_runtime.backends.protocol import Backend
    from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
    from lunar_runtime.bundles.manifest import Manifest
    from lunar_runtime.errors import (
        BackendError,
        BundleError,
        CheckpointError,
        DeadlineError,
        GateError,
        InputError,
        LunarError,
        OutputError,
        UsageError,
    )
    from lunar_runtime.files.images import GreyImage, read_image
    from lunar_runtime.fusion.fused_landing import FusedLanding
    from lunar_runtime.fusion.posed_view import PoseSigma
    from lunar_runtime.geometry.cameras import Intrinsics
    from lunar_runtime.geometry.lens import Distortion
    from lunar_runtime.geometry.rig import Rig
    from lunar_runtime.geometry.rig_file import read_rig
    from lunar_runtime.inference.geometry_only import infer_geometry_only
    from lunar_runtime.inference.other_suns import OtherSun, read_other_suns
    from lunar_runtime.inference.pipeline import StereoRuntime
    from lunar_runtime.inference.result import StereoResult
    from lunar_runtime.landing.lander import Lander, read_lander
    from lunar_runtime.refinement.acceptance import NotRefinedError
    from lunar_runtime.report.outputs import write_result
    from lunar_runtime.report.records import Report
    from lunar_runtime.stream.rules import PairRules
    from lunar_runtime.stream.stream import StereoStream
    from lunar_runtime.stream.update import StreamUpdate


_HOME = {
    "AutoRule": "backends.kind",
    "Backend": "backends.protocol",
    "BackendKind": "backends.kind",
    "Bundle": "bundles.bundle",
    "default_bundle_path": "bundles.bundle",
    "write_bundle": "bundles.bundle",
    "Intrinsics": "geometry.cameras",
    "Distortion": "geometry.lens",
    "Rig": "geometry.rig",
    "read_rig": "geometry.rig_file",
    "BackendError": "errors",
    "BundleError": "errors",
    "CheckpointError": "errors",
    "DeadlineError": "errors",
    "GateError": "errors",
    "InputError": "errors",
    "LunarError": "errors",
    "OutputError": "errors",
    "UsageError": "errors",
    "GreyImage": "files.images",
    "read_image": "files.images",
    "Manifest": "bundles.manifest",
    "write_result": "report.outputs",
    "StereoRuntime": "inference.pipeline",
    "infer_geometry_only": "inference.geometry_only",
    "OtherSun": "inference.other_suns",
    "read_other_suns": "inference.other_suns",
    "NotRefinedError": "refinement.acceptance",
    "Report": "report.records",
    "StereoResult": "inference.result",
    "PairRules": "stream.rules",
    "StereoStream": "stream.stream",
    "StreamUpdate": "stream.update",
    "FusedLanding": "fusion.fused_landing",
    "PoseSigma": "fusion.posed_view",
    "Lander": "landing.lander",
    "read_lander": "landing.lander",
}

__all__ = [
    "AutoRule",
    "Backend",
    "BackendError",
    "BackendKind",
    "Bundle",
    "BundleError",
    "CheckpointError",
    "DeadlineError",
    "Distortion",
    "FusedLanding",
    "GateError",
    "GreyImage",
    "InputError",
    "Intrinsics",
    "Lander",
    "LunarError",
    "Manifest",
    "NotRefinedError",
    "OtherSun",
    "OutputError",
    "PairRules",
    "PoseSigma",
    "Report",
    "Rig",
    "StereoResult",
    "StereoRuntime",
    "StereoStream",
    "StreamUpdate",
    "UsageError",
    "default_bundle_path",
    "infer_geometry_only",
    "read_image",
    "read_lander",
    "read_other_suns",
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
