"""TensorRT or TensorRT-RTX: which is here, and its version."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast, get_args

from lunar_runtime.errors import BackendError

if TYPE_CHECKING:  # `lunar-engine --help` loads this module, and NumPy is heavy
    from lunar_runtime.backends.tensorrt.bindings.module import TensorRT
    from lunar_runtime.backends.tensorrt.bindings.rtx_objects import TensorRTRTX

LibraryName = Literal["tensorrt", "tensorrt-rtx"]
LIBRARIES: tuple[LibraryName, ...] = get_args(LibraryName)
LibraryChoice = Literal["auto", LibraryName]
LIBRARY_CHOICES: tuple[LibraryChoice, ...] = ("auto", *LIBRARIES)

_MODULES: dict[LibraryName, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_INSTALL: dict[LibraryName, str] = {
    "tensorrt": "on Jetson install JetPack's python3-libnvinfer and let the environment see it "
    "(`python3 -m venv --system-site-packages`), elsewhere `pip install tensorrt`",
    "tensorrt-rtx": "`pip install tensorrt-rtx`",
}
#: The first with everything that this package touches.
OLDEST: dict[LibraryName, tuple[int, int]] = {"tensorrt": (10, 3), "tensorrt-rtx": (1, 4)}


@dataclass(frozen=True)
class Library:
    """An imported inference library.

    Attributes:
        name: `tensorrt` or `tensorrt-rtx`.
        version: As it says itself, `10.3.0`.
        trt: The module.
    """

    name: LibraryName
    version: str
    trt: TensorRT

    @property
    def rtx(self) -> TensorRTRTX | None:
        """The module, if it is TensorRT-RTX's."""
        return cast("TensorRTRTX", self.trt) if self.name == "tensorrt-rtx" else None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def import_library(name: LibraryName) -> Library:
    """Import it.

    Raises:
        BackendError: It is not there, does not load, or is too old.
    """
    try:
        module = importlib.import_module(_MODULES[name])
        version = str(module.__version__)
    except (ImportError, OSError, AttributeError) as error:
        reason = str(error).strip().splitlines()
        raise BackendError(
            f"{name} cannot be imported ({reason[0] if reason else type(error).__name__}); "
            f"{_INSTALL[name]}, or run lunar-infer --backend onnxruntime"
        ) from error
    if version_numbers(version)[:2] < OLDEST[name]:
        oldest = ".".join(map(str, OLDEST[name]))
        raise BackendError(f"{name} {version} is too old; this runtime needs {oldest} or newer")
    return Library(name, version, cast("TensorRT", module))


def choose_library(name: LibraryChoice = "auto") -> Library:
    """Import the library that is asked for; `auto` is TensorRT if it is installed, else RTX.

    Raises:
        BackendError: It is not there, does not load, or is too old.
    """
    if name != "auto":
        return import_library(name)
    there = installed_libraries()
    if not there:
        raise BackendError(
            "neither TensorRT nor TensorRT-RTX is installed; on Jetson install JetPack's "
            "python3-libnvinfer and use a virtual environment with --system-site-packages, "
            "elsewhere `pip install tensorrt` or `pip install tensorrt-rtx`"
        )
    return import_library(there[0])


def installed_libraries() -> list[LibraryName]:
    """Those that could be imported, by their files; nothing is imported."""
    return [name for name in LIBRARIES if importlib.util.find_spec(_MODULES[name]) is not None]


def version_numbers(version: str) -> tuple[int, ...]:
    """`10.3.0.post1` as (10, 3, 0)."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)
