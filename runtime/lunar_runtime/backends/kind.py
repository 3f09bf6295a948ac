"""What a backend's module offers: how an inference library is asked for, and when `auto` takes it.

A backend is one module with a `BackendKind`, and one line in its package's pyproject.toml:

    [project.entry-points."lunar_edge.backends"]
    mylib = "lunar_mylib:MYLIB"

The entry point's name is the backend's name. `auto` imports the modules of all installed backends,
so a module imports its inference library in `load` and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.bundle import Bundle

#: Called with a verified bundle, `auto` or one of the kind's devices, and the CPU threads, where
#: None leaves them to the library. Raises BackendError where the library or the device is not
#: there, BundleError where the library cannot load the graph.
Load = Callable[[Bundle, str, int | None], Backend]


@dataclass(frozen=True)
class AutoRule:
    """When `auto` takes a backend.

    Attributes:
        rank: Lower ranks are tried first: TensorRT has 10, TensorRT-RTX 20, OpenVINO 50,
            ONNX Runtime 100.
        suits: Whether the bundle holds what the backend needs; costs no import of the library.
        because: Why it suits, in words, for the log.
    """

    rank: int
    suits: Callable[[Bundle], bool]
    because: str


#: Of a backend that runs only when it is named.
NEVER = AutoRule(rank=0, suits=lambda _: False, because="it is never taken")


@dataclass(frozen=True)
class BackendKind:
    """An inference library that can be asked for by name.

    Attributes:
        title: Its name in a sentence.
        devices: What it can run on, as `device` names it.
        load: Loads a bundle's network.
        auto: When `auto` takes it.
    """

    title: str
    devices: tuple[str, ...]
    load: Load
    auto: AutoRule = NEVER
