"""ONNX Runtime as it comes: default settings but for the threads."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from lunar_runtime.errors import BackendError

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_FATAL = 4  # log level: what goes wrong is raised


def open_plain_session(
    model: Path | bytes, device: str, threads: int | None, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """Open a graph.

    Args:
        model: File, or the serialised graph.
        device: `cpu` or `cuda`.
        threads: CPU threads; None lets the library choose.
        profile: Start of the name of the profile's file; None = no profile.

    Raises:
        BackendError: The library lacks the device.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    if threads is not None:
        options.intra_op_num_threads = threads
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    provider = _PROVIDERS[device]
    graph = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(graph, options, providers=[provider])
    if session.get_providers()[0] != provider:
        raise BackendError(f"this ONNX Runtime has no {provider}; choose the device cpu")
    return session
