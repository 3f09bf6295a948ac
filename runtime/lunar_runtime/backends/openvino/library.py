"""OpenVINO's module, its devices, and what each can compute in.

Importing `openvino` reports the import to a statistics service and leaves an identifier in the
user's home, through the package `openvino_telemetry` (2025.2). OpenVINO works without that package,
so it is hidden while `openvino` is imported.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

from lunar_runtime.errors import BackendError

OLDEST = (2024, 4)
#: What is computed in -> how OpenVINO lists it among a device's capabilities.
CAPABILITIES = {"f32": "FP32", "bf16": "BF16", "f16": "FP16", "int8": "INT8"}

_TELEMETRY = "openvino_telemetry"


@dataclass(frozen=True)
class Library:
    """OpenVINO, imported.

    Attributes:
        module: `openvino`.
        core: Its `Core`, which knows the devices.
        version: As in `2026.4.1`.
        build: The whole version, which names the commit.
    """

    module: Any
    core: Any
    version: str
    build: str

    def __str__(self) -> str:
        """`openvino 2026.4.1`."""
        return f"openvino {self.version}"

    def find_device(self, name: str) -> str:
        """OpenVINO's name of `auto`, `cpu`, `gpu` or `npu`; `auto` is the processor.

        Raises:
            BackendError: The machine has no such device, or lacks its driver.
        """
        wanted = "CPU" if name == "auto" else name.upper()
        there = [str(device) for device in self.core.available_devices]
        for device in there:
            if device.split(".")[0] == wanted:
                return device
        raise BackendError(
            f"device {name}: {self} finds none here, only {', '.join(there).lower() or 'nothing'}; "
            "install the device's driver, or choose `device` cpu"
        )

    def capabilities(self, device: str) -> tuple[str, ...]:
        """What a device can do, as OpenVINO lists it."""
        return tuple(self.core.get_property(device, "OPTIMIZATION_CAPABILITIES"))

    def check_arithmetic(self, device: str, kind: str) -> None:
        """Refuse an arithmetic that a device lacks: OpenVINO takes another one and says nothing.

        Args:
            device: By OpenVINO's name.
            kind: A key of `CAPABILITIES`.

        Raises:
            BackendError: The device does not compute in it.
        """
        there = self.capabilities(device)
        if CAPABILITIES[kind] not in there:
            has = [name for name, listed in CAPABILITIES.items() if listed in there]
            full = self.core.get_property(device, "FULL_DEVICE_NAME")
            raise BackendError(
                f"{full} does not compute in {kind}, only in {', '.join(has)} (by {self}); use a "
                "bundle of another precision"
            )


def import_library() -> Library:
    """Import OpenVINO, without its telemetry.

    Raises:
        BackendError: It is not installed, does not load, or is too old.
    """
    hidden = _TELEMETRY not in sys.modules
    if hidden:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # its import fails then
    try:
        import openvino
    except Exception as error:  # a library that does not load raises what it likes
        lines = str(error).strip().splitlines()
        raise BackendError(
            f"OpenVINO cannot be imported ({lines[0] if lines else type(error).__name__}); install "
            "it with `pip install openvino`, or run with `backend` onnxruntime"
        ) from error
    finally:
        if hidden:
            del sys.modules[_TELEMETRY]
    build = str(openvino.__version__)
    version = build.split("-")[0]
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BackendError(f"openvino {version} is too old; this runtime needs {oldest} or newer")
    return Library(openvino, _keep_core(openvino), version, build)


@cache
def _keep_core(openvino: Any) -> Any:
    """The process's one `Core`, made once and never released.

    The processor's plugin gives the thread that loads it another stack for signals, and frees that
    stack when the last `Core` goes. Where another thread let it go, the next signal found no stack
    and ended the process (2026.4).
    """
    return openvino.Core()
