"""How much of a CUDA device's memory is taken, asked of the driver itself.

`cuMemGetInfo` is the one figure that a discrete card and a Jetson both give. It counts everybody;
its difference between before and after loading is the candidate's, when nothing else runs.
"""

from __future__ import annotations

import ctypes
import gc

LIBRARY = "libcuda.so.1"


class CudaMemory:
    """The first CUDA device.

    Args:
        library: The driver's library, loaded.

    Raises:
        OSError: There is no device.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._context = ctypes.c_void_p()
        device = ctypes.c_int()
        if (
            library.cuInit(ctypes.c_uint(0))
            or library.cuDeviceGet(ctypes.byref(device), ctypes.c_int(0))
            or library.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), device)
        ):
            raise OSError("no CUDA device")

    def free_mib(self) -> float | None:
        """What is free now; None where the driver does not say."""
        gc.collect()
        free, total, old = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_void_p()
        self._library.cuCtxPushCurrent_v2(self._context)
        failed = self._library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
        self._library.cuCtxPopCurrent_v2(ctypes.byref(old))
        return None if failed else free.value / 2**20


def open_cuda() -> CudaMemory | None:
    """The machine's first CUDA device; None without driver or device."""
    try:
        return CudaMemory(ctypes.CDLL(LIBRARY))
    except (OSError, AttributeError):
        return None
