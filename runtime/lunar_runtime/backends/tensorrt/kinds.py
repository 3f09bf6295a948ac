"""TensorRT and TensorRT-RTX as backends: `auto` takes them where the bundle has their engines."""

from __future__ import annotations

import logging
from functools import partial

from lunar_runtime.backends.kind import AutoRule, BackendKind
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.tensorrt.libraries import LibraryName
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.manifest import ENGINES_NAME
from lunar_runtime.errors import BundleError

_log = logging.getLogger(__name__)


def _load(library: LibraryName, bundle: Bundle, device: str, threads: int | None) -> Backend:
    """Neither choice reaches the library: it runs on the GPU, and its threads do not compute."""
    from lunar_runtime.backends.tensorrt.backend import TensorrtBackend

    return TensorrtBackend.from_bundle(bundle, library)


def _has_engine(library: LibraryName, bundle: Bundle) -> bool:
    if not (bundle.path / ENGINES_NAME).is_dir():
        return False
    from lunar_runtime.backends.tensorrt.store import stored_engines

    try:
        there = any(engine.record.key.library == library for engine in stored_engines(bundle))
    except BundleError as error:  # nobody asked for it, and other backends do not need it
        _log.warning("%s; no engine is used", error)
        return False
    if there and bundle.signed.state == "trusted":
        _log.warning(
            "%s: nobody signs engines; name the backend to run one all the same", bundle.path
        )
        return False
    return there


def _kind(library: LibraryName, title: str, rank: int) -> BackendKind:
    rule = AutoRule(rank, partial(_has_engine, library), "the bundle has an engine of it")
    return BackendKind(title, ("cuda",), partial(_load, library), rule)


TENSORRT = _kind("tensorrt", "TensorRT", rank=10)
TENSORRT_RTX = _kind("tensorrt-rtx", "TensorRT-RTX", rank=20)
