"""What this package touches of `pycuda.driver`, by its own names.

As for TensorRT: mypy holds the code to these protocols, a test holds them to pycuda's source.
`pycuda.autoinit` is never used: it makes a context of its own, which no other library shares.
"""

# ruff: noqa: D102 - the library documents its methods

from __future__ import annotations

from typing import Any, Protocol, SupportsInt

import numpy as np
from numpy.typing import NDArray


class Context(Protocol):
    """The device's primary context, which TensorRT and ONNX Runtime use too."""

    def push(self) -> None: ...
    def pop(self) -> None: ...
    def detach(self) -> None: ...


class Device(Protocol):
    """A GPU."""

    def name(self) -> str: ...
    def compute_capability(self) -> tuple[int, int]: ...
    def get_attribute(self, attr: object) -> int: ...
    def retain_primary_context(self) -> Context: ...


class DeviceAllocation(SupportsInt, Protocol):
    """Device memory; its number is its address."""

    def free(self) -> None: ...


class HostAllocation(Protocol):
    """Pinned memory; the base of the arrays that `pagelocked_empty` gives."""

    def get_device_pointer(self) -> int: ...
    def free(self) -> None: ...


class Stream(Protocol):
    """Work in order."""

    @property
    def handle(self) -> int: ...

    def synchronize(self) -> None: ...


class device_attribute(Protocol):  # noqa: N801 - pycuda's name
    """Of `Device.get_attribute`."""

    INTEGRATED: object


class host_alloc_flags(Protocol):  # noqa: N801 - pycuda's name
    """Of `pagelocked_empty`."""

    DEVICEMAP: int


_Stream = Stream  # inside the next class the name means its method


class PycudaDriver(Protocol):
    """The module."""

    Error: type[Exception]
    device_attribute: device_attribute
    host_alloc_flags: host_alloc_flags

    def init(self) -> None: ...
    def Device(self, number: int) -> Device: ...  # noqa: N802
    def Stream(self) -> Stream: ...  # noqa: N802
    def mem_get_info(self) -> tuple[int, int]: ...
    def mem_alloc(self, bytes: int) -> DeviceAllocation: ...  # noqa: A002
    def pagelocked_empty(
        self, shape: tuple[int, ...], dtype: type[np.generic], *, mem_flags: int
    ) -> NDArray[Any]: ...
    def memcpy_htod_async(
        self, dest: DeviceAllocation, src: NDArray[Any], stream: _Stream
    ) -> None: ...
    def memcpy_dtoh_async(
        self, dest: NDArray[Any], src: DeviceAllocation, stream: _Stream
    ) -> None: ...
