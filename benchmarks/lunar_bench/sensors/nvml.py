"""The NVIDIA driver's own readings, through its library, without a Python package for it.

On a Jetson the library loads and answers "not supported" to almost everything: that is an absent
reading, not zero, and the board's own sensors are read instead (`lunar_bench.sensors.find`).
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

LIBRARY = "libnvidia-ml.so.1"

_NAME_BYTES = 96
_TEMPERATURE_GPU = 0
_CLOCK_SM, _CLOCK_MEMORY = 1, 2

#: Bits of the driver's clock event reasons that mean less speed than could be had. Idle (0x1),
#: applications' clocks (0x2), sync boost (0x10) and display (0x100) are choices, not throttling.
THROTTLE_REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class Nvml:
    """One GPU: the first that CUDA_VISIBLE_DEVICES names by number, else the first there is.

    Every reading is None where the driver does not give it.

    Args:
        library: The driver's library, loaded.

    Raises:
        OSError: It does not start, or finds no GPU.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._device = ctypes.c_void_p()
        first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
        index = int(first) if first.isdecimal() else 0
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(
            ctypes.c_uint(index), ctypes.byref(self._device)
        ):
            raise OSError("NVML finds no GPU")

    def describe(self) -> str:
        """Name, and the driver's version."""
        name = ctypes.create_string_buffer(_NAME_BYTES)
        version = ctypes.create_string_buffer(_NAME_BYTES)
        self._library.nvmlDeviceGetName(self._device, name, _NAME_BYTES)
        self._library.nvmlSystemGetDriverVersion(version, _NAME_BYTES)
        return f"{name.value.decode(errors='replace')}, driver {version.value.decode()}"

    def power_w(self) -> float | None:
        """Drawn by the whole card."""
        mw = self._unsigned("nvmlDeviceGetPowerUsage")
        return None if mw is None else mw / 1e3

    def temperature_c(self) -> float | None:
        """Of the GPU's die."""
        return self._unsigned("nvmlDeviceGetTemperature", _TEMPERATURE_GPU)

    def sm_clock_mhz(self) -> float | None:
        """Of the multiprocessors."""
        return self._unsigned("nvmlDeviceGetClockInfo", _CLOCK_SM)

    def memory_clock_mhz(self) -> float | None:
        """Of the memory."""
        return self._unsigned("nvmlDeviceGetClockInfo", _CLOCK_MEMORY)

    def used_memory_mib(self) -> float | None:
        """Taken by all programs together."""
        memory = _Memory()
        failed = self._library.nvmlDeviceGetMemoryInfo(self._device, ctypes.byref(memory))
        return None if failed else memory.used / 2**20

    def throttle_reasons(self) -> tuple[str, ...] | None:
        """Why the clocks are lower than they could be; empty = they are not."""
        bits = ctypes.c_ulonglong()
        if self._library.nvmlDeviceGetCurrentClocksThrottleReasons(
            self._device, ctypes.byref(bits)
        ):
            return None
        return tuple(name for bit, name in THROTTLE_REASONS.items() if bits.value & bit)

    def _unsigned(self, function: str, *arguments: int) -> float | None:
        value = ctypes.c_uint()
        failed = getattr(self._library, function)(
            self._device, *map(ctypes.c_uint, arguments), ctypes.byref(value)
        )
        return None if failed else float(value.value)


@lru_cache(maxsize=1)
def open_nvml(library: str = LIBRARY) -> Nvml | None:
    """The machine's GPU; None where there is no driver or no GPU."""
    try:
        return Nvml(ctypes.CDLL(library))
    except (OSError, AttributeError):
        return None
