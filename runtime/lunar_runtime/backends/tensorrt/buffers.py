"""The memory that an engine reads and writes: allocated once, at loading."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.tensorrt.bindings.pycuda_driver import (
    DeviceAllocation,
    HostAllocation,
    PycudaDriver,
    Stream,
)
from lunar_runtime.backends.tensorrt.tensors import Placement


class TensorBuffer:
    """One tensor's memory.

    Allocating, copying and freeing need the GPU's context to be current.

    Args:
        cuda: The driver.
        placement: What to allocate, and where.
    """

    def __init__(self, cuda: PycudaDriver, placement: Placement) -> None:
        self._cuda = cuda
        self.placement = placement
        self.host: NDArray[Any] = cuda.pagelocked_empty(
            placement.tensor.shape,
            placement.numpy_type,
            mem_flags=cuda.host_alloc_flags.DEVICEMAP if placement.mapped else 0,
        )
        self._pinned = cast(HostAllocation, self.host.base)
        self._device: DeviceAllocation | None = None
        if not placement.mapped:
            self._device = cuda.mem_alloc(placement.bytes)

    @property
    def address(self) -> int:
        """On the device."""
        return self._pinned.get_device_pointer() if self._device is None else int(self._device)

    def fill(self, values: NDArray[np.generic]) -> None:
        """Put an input's values where the next copy, or the GPU itself, takes them from."""
        np.copyto(self.host, values, casting="no")

    def copy_in(self, stream: Stream) -> None:
        """To the device; nothing to do where the GPU reads the pinned memory."""
        if self._device is not None:
            self._cuda.memcpy_htod_async(self._device, self.host, stream)

    def copy_out(self, stream: Stream) -> None:
        """From the device, likewise."""
        if self._device is not None:
            self._cuda.memcpy_dtoh_async(self.host, self._device, stream)

    def free(self) -> None:
        """Give the memory back; arrays that were read from it are copies and stay."""
        if self._device is not None:
            self._device.free()
            self._device = None
        self.host = np.empty(0, self.placement.numpy_type)
        self._pinned.free()
