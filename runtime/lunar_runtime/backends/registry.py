"""What runs the network: one small protocol, one module per inference library.

A backend or device that was asked for and cannot run is an error. Nothing falls back silently.
"""

from __future__ import annotations

import logging

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.bundle import ENGINES_NAME, Bundle
from lunar_runtime.errors import BackendError, UsageError

_log = logging.getLogger(__name__)

BACKENDS = ("auto", "onnxruntime", "tensorrt", "tensorrt-rtx")
DEVICES = ("auto", "cpu", "cuda")


def select_backend(
    bundle: Bundle, backend: str = "auto", device: str = "auto", threads: int | None = None
) -> Backend:
    """Load a bundle's network.

    Args:
        bundle: A verified bundle.
        backend: One of `BACKENDS`; `auto` is TensorRT where the bundle has an engine for this
            machine, else ONNX Runtime. Engines that are there and cannot run are warned of.
        device: One of `DEVICES`; `auto` is `cuda` where the library was built for it, else `cpu`.
        threads: CPU threads; None lets the library choose.

    Raises:
        UsageError: No such backend or device, or `threads` is not positive.
        BackendError: The library or the device is not there.
        BundleError: The library cannot load the graph.
    """
    if backend not in BACKENDS:
        raise UsageError(f"no backend {backend!r}; choose one of {', '.join(BACKENDS)}")
    if device not in DEVICES:
        raise UsageError(f"no device {device!r}; choose one of {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: needs to be 1 or more")
    if backend == "auto" and device != "cpu":
        engine = _engine_if_any(bundle)
        if engine is not None:
            return engine
    if backend in ("auto", "onnxruntime"):
        from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(bundle, device, threads)
    if device == "cpu":
        raise UsageError(f"--backend {backend} runs on the GPU; leave --device cpu out")
    from lunar_runtime.backends.tensorrt.backend import TensorrtBackend
    from lunar_runtime.backends.tensorrt.libraries import LIBRARIES

    return TensorrtBackend.from_bundle(bundle, LIBRARIES[LIBRARIES.index(backend)])


def _engine_if_any(bundle: Bundle) -> Backend | None:
    if not (bundle.path / ENGINES_NAME).is_dir():
        return None
    from lunar_runtime.backends.tensorrt.libraries import LIBRARIES
    from lunar_runtime.backends.tensorrt.store import stored_engines

    made_with = {engine.record.key.library for engine in stored_engines(bundle)}
    for library in LIBRARIES:
        if library not in made_with:
            continue
        from lunar_runtime.backends.tensorrt.backend import TensorrtBackend

        try:
            return TensorrtBackend.from_bundle(bundle, library)
        except BackendError as error:
            _log.warning("%s; running on ONNX Runtime instead", error)
    return None
