"""ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.kind import AutoRule, BackendKind
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, BundleError

_FATAL = 4  # ORT's own log goes to stderr; what matters also comes as an exception
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntimeBackend:
    """A network in ONNX Runtime; see `Backend`.

    Args:
        bundle: A verified bundle.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads; None lets ONNX Runtime take one per core.

    Raises:
        BackendError: ONNX Runtime or the device is not there.
        BundleError: ONNX Runtime cannot load the graph, or it is not what the manifest says.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None) -> None:
        ort = _import()
        self.name = f"onnxruntime {ort.__version__}"
        self.device = _choose(device, ort)
        self._names = [output.name for output in bundle.manifest.graph.outputs]
        # A session does not own weights that it was given: they are held here.
        self._session, self._weights = _load(ort, bundle, self.device, threads)

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair; see `Backend.run`."""
        if self._session is None:
            raise BackendError("this network was closed; load the bundle again")
        try:
            outputs = self._session.run(self._names, {"left": left, "right": right})
        except Exception as error:  # ORT's exceptions share no base of their own
            raise BackendError(
                f"{self.name} failed on {self.device}: {_first_line(error)}"
            ) from error
        return dict(zip(self._names, outputs, strict=True))

    def close(self) -> None:
        """Free the network."""
        self._session = self._weights = None


def _import() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f"ONNX Runtime cannot be imported ({_first_line(error)}); install it with "
            "`pip install onnxruntime`"
        ) from error
    return onnxruntime


def _choose(device: str, ort: Any) -> str:
    there = ort.get_available_providers()
    if device == "auto":
        return "cuda" if _PROVIDERS["cuda"] in there else "cpu"
    if _PROVIDERS[device] not in there:
        raise BackendError(
            f"device {device}: this onnxruntime {ort.__version__} was built without "
            f"{_PROVIDERS[device]}; install onnxruntime-gpu, or choose `device` cpu"
        )
    return device


def _load(ort: Any, bundle: Bundle, device: str, threads: int | None) -> tuple[Any, Any]:
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.inter_op_num_threads = 1
    # A ViT with a DPT head at 512 x 512, 213 MB of weights, on 2 cores: peak 730 MiB instead of
    # 1080, 460 MiB instead of 1080 between pairs, at the same speed within its noise of 5 %.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    # Else ONNX Runtime 1.32 rounds the activations of layers whose weights alone are INT8.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    # Threads that wait for work sleep. Beside other jobs the default, to spin, takes 1.46 times the
    # time and 1.52 times the processor's (S0, two threads on two cores).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bundle.manifest.target == "tensorrt":
        # Q/DQ as written. ONNX Runtime 1.32 would quantise biases too, in scales that FP16 lacks:
        # the error of a pointmap grows from 5e-4 to 6e-3 (a small student, random weights).
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    if device == "cuda":
        _find_cuda(ort)
    model = bundle.model()
    values: list[Any] = []
    try:
        if model.weights:
            # Else ONNX Runtime would look for their file itself.
            values = [ort.OrtValue.ortvalue_from_numpy(v) for v in model.weights.values()]
            options.add_external_initializers(list(model.weights), values)
        session = ort.InferenceSession(model.content, options, providers=[_PROVIDERS[device]])
        session.disable_fallback()
        session._model_bytes = None  # the graph's bytes, held for the fallback
    except Exception as error:  # ORT's exceptions share no base of their own
        if device == "cuda" and "CUDA" in str(error):
            raise BackendError(_no_cuda(ort, _first_line(error))) from error
        raise BundleError(
            f"{bundle.model_path}: onnxruntime {ort.__version__} cannot load it "
            f"({_first_line(error)}); re-create the bundle with lunar-export, or update onnxruntime"
        ) from error
    if session.get_providers()[0] != _PROVIDERS[device]:
        # A missing driver or cuDNN makes ORT take the CPU and only log it.
        raise BackendError(_no_cuda(ort, "the GPU, its driver or cuDNN is not there"))
    return session, values


def _find_cuda(ort: Any) -> None:
    """Load CUDA's and cuDNN's libraries, also those that pip installed.

    Raises:
        BackendError: One is missing; the line names it.
    """
    ort.set_default_logger_severity(_FATAL)  # what is missing is told below, once
    preload = getattr(ort, "preload_dlls", None)  # from ONNX Runtime 1.21 on
    if preload is None:
        return
    with redirect_stdout(io.StringIO()) as said:  # it prints
        preload()
    missing = [line for line in said.getvalue().splitlines() if line.startswith("Failed to load")]
    if missing:
        raise BackendError(_no_cuda(ort, missing[0]))


def _no_cuda(ort: Any, reason: str) -> str:
    return (
        f"onnxruntime {ort.__version__} cannot use CUDA here ({reason}); repair the CUDA "
        "installation, or `pip install 'onnxruntime-gpu[cuda,cudnn]'`, or choose `device` cpu"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


ONNXRUNTIME = BackendKind(
    title="ONNX Runtime",
    devices=tuple(_PROVIDERS),
    load=OnnxRuntimeBackend,
    auto=AutoRule(rank=100, suits=lambda _: True, because="it runs every bundle"),
)
