"""The compiled kernels, loaded for this processor, and how fields reach them.

Installing the project compiles them, one library for each set of instructions. All of them give the
same bits: nothing is reordered, nothing fused. While a kernel runs, other threads do too.
"""

from __future__ import annotations

import ctypes
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import BackendError

_FOLDER = Path(__file__).parent
_DONE, _NO_MEMORY = 0, 1  # as kernels.h has them
_AVX2, _FMA3 = 11, 12  # OpenCV's numbers; it names them in C++ only


def run(kernel: str, *arguments: NDArray[Any] | float | None) -> None:
    """Call a kernel.

    Args:
        kernel: Its name in C, without `lunar_`.
        arguments: As C has them: contiguous arrays of the kernel's own type, of which the kernel
            knows the sides as they are told; integers are `ptrdiff_t`, other numbers `double`,
            None is NULL.

    Raises:
        BackendError: The library is missing or does not load.
        MemoryError: There is none left.
        TypeError: An array is not contiguous.
    """
    code = getattr(_library(), f"lunar_{kernel}")(*map(_as_c, arguments))
    if code == _NO_MEMORY:
        raise MemoryError(f"no memory is left for {kernel}")
    if code != _DONE:
        raise RuntimeError(f"{kernel} ended with {code}")


def _as_c(argument: NDArray[Any] | float | None) -> ctypes.c_void_p | ctypes._SimpleCData[Any]:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, np.ndarray):
        if not argument.flags.c_contiguous:
            raise TypeError("a kernel takes contiguous arrays only")
        return ctypes.c_void_p(argument.ctypes.data)
    if isinstance(argument, int):
        return ctypes.c_ssize_t(argument)
    return ctypes.c_double(argument)


def library_path(*, slowest: bool = False) -> Path:
    """Of the library for this processor.

    Args:
        slowest: The one that every processor of this kind can run.
    """
    machine = platform.machine()
    fast = machine == "x86_64" and all(map(cv2.checkHardwareSupport, (_AVX2, _FMA3)))
    return _FOLDER / f"kernels-{machine}{'-avx2' if fast and not slowest else ''}.so"


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    path = library_path()
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BackendError(
            f"{path.name}, a compiled part of lunar-edge, does not load ({error}); install the "
            f"package for this machine ({platform.machine()}) again"
        ) from error
