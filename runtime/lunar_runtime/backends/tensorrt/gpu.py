"""The GPU of this machine, through pycuda and its primary context."""

from __future__ import annotations

import atexit
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lunar_runtime.backends.tensorrt.bindings.pycuda_driver import Context, PycudaDriver
from lunar_runtime.errors import BackendError

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Gpu:
    """What an engine depends on, and whose memory it is.

    Attributes:
        name: As the driver says it, `Orin (nvgpu)`.
        compute_capability: (major, minor), (8, 7) for Orin.
        integrated: It shares the CPU's memory, as on every Jetson.
    """

    name: str
    compute_capability: tuple[int, int]
    integrated: bool


class GpuSession:
    """The first GPU that CUDA_VISIBLE_DEVICES leaves, and its primary context.

    One per process (`open_gpu`): pycuda frees memory only through the context object that it was
    allocated with. The context is current inside `current()` and nowhere else, so that several
    runtimes and threads, and other users of CUDA, do not see each other.
    """

    def __init__(self, cuda: PycudaDriver) -> None:
        device = cuda.Device(0)
        major, minor = device.compute_capability()
        self.cuda = cuda
        self.gpu = Gpu(
            name=device.name(),
            compute_capability=(major, minor),
            integrated=bool(device.get_attribute(cuda.device_attribute.INTEGRATED)),
        )
        self._context: Context = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current in this thread for the block."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def release(self) -> None:
        """Give the context back; nothing can be allocated afterwards."""
        self._context.detach()

    def free_bytes(self) -> int:
        """What could be allocated now.

        On an integrated GPU this is what the kernel calls available: the driver's own figure leaves
        out the file cache, which gives way.
        """
        with self.current():
            free, _ = self.cuda.mem_get_info()
        available = _available_bytes() if self.gpu.integrated else None
        return max(free, available or 0)


_lock = threading.Lock()
_session: GpuSession | None = None


def open_gpu() -> GpuSession:
    """The process's GPU; opened once, kept until the process ends.

    Raises:
        BackendError: pycuda, the driver or the GPU is not there.
    """
    global _session
    with _lock:
        if _session is None:
            _session = _open(_import())
            atexit.register(_session.release)  # later, the driver may be gone already
    return _session


def _import() -> PycudaDriver:
    try:
        return cast(PycudaDriver, importlib.import_module("pycuda.driver"))
    except ImportError as error:
        if "libcuda" in str(error):
            raise BackendError(
                "the NVIDIA driver is missing (libcuda.so.1 cannot be loaded); install it, in a "
                "container add `--runtime nvidia --gpus all`, or run lunar-infer --device cpu"
            ) from error
        raise BackendError(
            f"pycuda cannot be imported ({error}); install it with `pip install pycuda` (it is "
            "compiled against the CUDA toolkit), or run lunar-infer --backend onnxruntime"
        ) from error


def _open(cuda: PycudaDriver) -> GpuSession:
    try:
        cuda.init()
        return GpuSession(cuda)
    except cuda.Error as error:
        raise BackendError(
            f"no NVIDIA GPU can be used here ({error}); check the driver with nvidia-smi, "
            "CUDA_VISIBLE_DEVICES, and in a container `--runtime nvidia --gpus all`, or run "
            "lunar-infer --device cpu"
        ) from error


def _available_bytes() -> int | None:
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
