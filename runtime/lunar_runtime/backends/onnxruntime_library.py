"""ONNX Runtime as it is installed here: the library, its devices, and CUDA's libraries."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

from lunar_runtime.errors import BackendError

#: ORT's own log goes to stderr; what matters also comes as an exception.
FATAL = 4
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

# The first version that is told for how long threads look for work before they sleep.
_LIMITED_SPINNING = (1, 26)
# S0, two threads on two cores: after 20 µs most of the next operator's work has come.
_SPIN_US = 20


def import_library() -> Any:
    """The library.

    Raises:
        BackendError: It is not installed, or does not work here.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f"ONNX Runtime cannot be imported ({first_line(error)}); install it with "
            "`pip install onnxruntime`"
        ) from error
    return onnxruntime


def choose_device(device: str, ort: Any) -> str:
    """`cpu` or `cuda`, of `auto` too.

    Raises:
        BackendError: This build of the library has no such device.
    """
    there = ort.get_available_providers()
    if device == "auto":
        return "cuda" if PROVIDERS["cuda"] in there else "cpu"
    if PROVIDERS[device] not in there:
        raise BackendError(
            f"device {device}: this onnxruntime {ort.__version__} was built without "
            f"{PROVIDERS[device]}; install onnxruntime-gpu, or choose `device` cpu"
        )
    return device


def waiting(ort: Any) -> dict[str, str]:
    """Settings of a session: how its threads wait for work. For 20 µs they look for it, then sleep.

    An idle machine wakes no thread between operators then: S0 takes 0.86 of the time. By default
    they look for up to 50 ms, which beside other jobs takes 1.46 times the time of sleeping ones.
    Versions that cannot be told how long have them sleep at once.
    """
    version = tuple(int(part) for part in ort.__version__.split(".")[:2])
    if version < _LIMITED_SPINNING:
        return {"session.intra_op.allow_spinning": "0"}
    return {
        "session.intra_op.allow_spinning": "1",
        "session.intra_op.spin_duration_us": str(_SPIN_US),
    }


def find_cuda(ort: Any) -> None:
    """Load CUDA's and cuDNN's libraries, also those that pip installed.

    Raises:
        BackendError: One is missing; the line names it.
    """
    ort.set_default_logger_severity(FATAL)  # what is missing is told below, once
    preload = getattr(ort, "preload_dlls", None)  # from ONNX Runtime 1.21 on
    if preload is None:
        return
    with redirect_stdout(io.StringIO()) as said:  # it prints
        preload()
    missing = [line for line in said.getvalue().splitlines() if line.startswith("Failed to load")]
    if missing:
        raise BackendError(no_cuda(ort, missing[0]))


def no_cuda(ort: Any, reason: str) -> str:
    """What to say where CUDA cannot be used."""
    return (
        f"onnxruntime {ort.__version__} cannot use CUDA here ({reason}); repair the CUDA "
        "installation, or `pip install 'onnxruntime-gpu[cuda,cudnn]'`, or choose `device` cpu"
    )


def first_line(error: BaseException) -> str:
    """Of an error's text, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
