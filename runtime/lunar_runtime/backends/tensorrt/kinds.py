"""TensorRT and TensorRT-RTX as backends: `auto` takes them where the bundle has their engines."""

from __future__ import annotations

from functools import partial

from lunar_runtime.backends.kind import AutoRule, BackendKind
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.tensorrt.libraries import LibraryName
from lunar_runtime.bundles.bundle import ENGINES_NAME, Bundle


def _load(library: LibraryName, bundle: Bundle, device: str, threads: int | None) -> Backend:
    """Neither choice reaches the library: it runs on the GPU, and its threads do not compute."""
    from lunar_runtime.backends.tensorrt.backend import TensorrtBackend

    return TensorrtBackend.from_bundle(bundle, library)


def _has_engine(library: LibraryName, bundle: Bundle) -> bool:
    if not (bundle.path / ENGINES_NAME).is_dir():
        return False
    from lunar_runtime.backends.tensorrt.store import stored_engines

    return any(engine.record.key.library == library for engine in stored_engines(bundle))


def _kind(library: LibraryName, title: str, rank: int) -> BackendKind:
    rule = AutoRule(rank, partial(_has_engine, library), "the bundle has an engine of it")
    return BackendKind(title, ("cuda",), partial(_load, library), rule)


TENSORRT = _kind("tensorrt", "TensorRT", rank=10)
TENSORRT_RTX = _kind("tensorrt-rtx", "TensorRT-RTX", rank=20)
