"""The compiled kernels, loaded for this processor, and how fields reach them.

Installing the project compiles them, one library for each set of instructions. All of them give the
same bits: nothing is reordered, nothing fused. While a kernel runs, other threads do too.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import BackendError

_FOLDER = Path(__file__).parent
_DONE, _NO_MEMORY, _TOO_SMALL = 0, 1, 2  # as kernels.h has them
_AVX2, _FMA3 = 11, 12  # OpenCV's numbers; it names them in C++ only
# What each kernel takes, in C's order: arrays of float, of double, of bytes and of pointers (f, d,
# b, p), integers and numbers (i, n).
_KERNELS = {
    "dot": "ffid",
    "fit_pose": "ddnidnnnidinnd",
    "follow": "ffffiiffff",
    "gather": "ffii",
    "half_steps": "ffffiniifb",
    "light": "fffffffifff",
    "match_weight": "fffnnnnnif",
    "neighbours": "fbiiind",
    "normal_equations": "dddiidd",
    "project": "ffffiiff",
    "robust_fit": "dddiidiinnn",
    "sampson": "dddnid",
    "sampson_derivative": "ddddnid",
    "spread": "ffii",
    "thin_plate": "ffffiini",
    "tilted_plate": "fffffpiiid",
    "triangulate": "fffffiif",
    "variances": "ddinnniid",
}
_TYPES = {"f": np.float32, "d": np.float64, "b": np.bool_, "p": np.uintp}


def run(kernel: str, *arguments: NDArray[Any] | float | None) -> None:
    """Call a kernel.

    Args:
        kernel: Its name in C, without `lunar_`.
        arguments: As C has them: contiguous arrays, whose sides the kernel knows as it is told;
            None is NULL.

    Raises:
        BackendError: The library is missing or does not load.
        MemoryError: There is none left.
        TypeError: An argument is not what the kernel takes.
        ValueError: A side is too short.
    """
    takes = _KERNELS[kernel]
    if len(takes) != len(arguments):
        raise TypeError(f"{kernel} takes {len(takes)} arguments, not {len(arguments)}")
    code = getattr(_library(), f"lunar_{kernel}")(*map(_as_c, takes, arguments))
    if code == _NO_MEMORY:
        raise MemoryError(f"no memory is left for {kernel}")
    if code == _TOO_SMALL:
        raise ValueError(f"{kernel} takes no sides that are so short")
    if code != _DONE:
        raise RuntimeError(f"{kernel} ended with {code}")


def _as_c(
    kind: str, argument: NDArray[Any] | float | None
) -> ctypes.c_void_p | ctypes._SimpleCData[Any]:
    if kind == "i" and isinstance(argument, int):
        return ctypes.c_ssize_t(argument)
    if kind == "n" and isinstance(argument, (int, float)):
        return ctypes.c_double(argument)
    if kind in _TYPES:
        if argument is None:
            return ctypes.c_void_p(None)
        if isinstance(argument, np.ndarray):
            if argument.dtype == _TYPES[kind] and argument.flags.c_contiguous:
                return ctypes.c_void_p(argument.ctypes.data)
            raise TypeError(f"a kernel takes contiguous {_TYPES[kind].__name__}, not {argument!r}")
    raise TypeError(f"a kernel takes no {type(argument).__name__} there")


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
    return load(library_path())


def load(path: Path) -> ctypes.CDLL:
    """A library of kernels.

    Raises:
        BackendError: It is missing, does not load, or is of other sources than those beside it.
    """
    again = "install lunar-edge again (`make install` in its repository)"
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise BackendError(
            f"{path.name}, the compiled part of lunar-edge for this processor, does not load "
            f"({error}); {again}"
        ) from error
    sources = sorted(path.parent.glob("*.[ch]"))  # beside it in a repository only
    if sources:
        every = b"".join(source.read_bytes() for source in sources)
        of = (ctypes.c_char * 65).in_dll(library, "lunar_sources").value.decode()
        if of != hashlib.sha256(every).hexdigest():
            raise BackendError(f"{path.name} was compiled from other sources; {again}")
    return library
