"""The compiled kernels, loaded for this processor, and how fields reach them.

Installing the project compiles them, one library for each set of instructions. All of them give the
same bits: nothing is reordered, nothing fused. While a kernel runs, other threads do too.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import BackendError

_FOLDER = Path(__file__).parent
_DONE, _NO_MEMORY, _TOO_SMALL = 0, 1, 2  # as kernels.h has them
_AVX2 = 11  # OpenCV's number; it names it in C++ only
# What each kernel takes, in C's order: arrays of float, of double and of bytes (f, d, b) with their
# sides, and a question mark where they may be NULL; integers (i), some with a name; numbers (n).
_KERNELS = {
    "dot": "f:n f:n i:n d:1",
    "fit_pose": "d:3,n d:3,n n i:n d:12 n n n i d:count,12 i:count n n d:2",
    "follow": "f:12 f:w f:h f:h,w i:h i:w f:h,w f:h,w f:h,w f:h,w",
    "gather": "f:2h,2w f:h,w i:h i:w",
    "half_steps": "f:n f:n f:n f:n i:n n i i f:n b:n",
    "inverse_search": "f:h,w f:h,w i:h i:w i i i f:h,w f:h,w",
    "light": "f:20 f:n f:n f:n f:n f:n f:n i:n f:n f:n f:n",
    "match_weight": "f:n f:n f:n n n n n n i:n f:n",
    "neighbours": "f:h,w b:h,w i:h i:w i n d:8",
    "next_direction": "f:n f:n f:n f:n i:n d:1",
    "normal_equations": "d:k,n d:n d?:n i:k i:n d:k,k d:k",
    "project": "f:12 f:w f:h f:h,w i:h i:w f:h,w f:h,w",
    "robust_fit": "d:k,n d:n d?:n i:k i:n d:k i i n n n",
    "sampson": "d:3,n d:3,n d:9 n i:n d:n",
    "sampson_derivative": "d:3,n d:3,n d:9 d:45 n i:n d:5,n",
    "spread": "f:h,w f:2h,2w i:h i:w",
    "thin_plate": "f:h,w f:h,w f?:h,w f:h,w i:h i:w n i",
    "tilted_plate": "f:h,w f:h,w f:h,w f:h,w f:h-1,w-1 f:3count,h-1,w-1 i:count i:h i:w d:1",
    "tilted_step": "f:h,w f:h,w f:h,w f:h,w f:h,w f:h,w f:h,w f:h,w f:h-1,w-1 f:3count,h-1,w-1 "
    "i:count i:h i:w n",
    "triangulate": "f:12 f:w f:h f:h,w f:h,w i:h i:w f:h,w",
    "variances": "d:3,n d:n i:n n n n i i d:3",
}
_Argument: TypeAlias = "NDArray[Any] | float | None"
_TYPES = {"f": np.float32, "d": np.float64, "b": np.bool_}


class _Takes(NamedTuple):
    """What a kernel takes in one place.

    Attributes:
        kind: As above.
        or_null: None is taken, too.
        sides: Of an array. Each is a number times the integer in a place, less another number.
    """

    kind: str
    or_null: bool = False
    sides: tuple[tuple[int, int | None, int], ...] = ()


def run(kernel: str, *arguments: _Argument) -> None:
    """Call a kernel.

    Args:
        kernel: Its name in C, without `lunar_`.
        arguments: As C has them: contiguous arrays with as many numbers as the sides come to that
            the kernel is told; None is NULL.

    Raises:
        BackendError: The library is missing or does not load.
        MemoryError: There is none left.
        TypeError: An argument is not what the kernel takes.
        ValueError: A side is too short, or an array has other sides than the kernel is told.
    """
    takes = _takes(kernel)
    if len(takes) != len(arguments):
        raise TypeError(f"{kernel} takes {len(takes)} arguments, not {len(arguments)}")
    code = getattr(_library(), f"lunar_{kernel}")(
        *[_as_c(one, each, arguments) for one, each in zip(takes, arguments)]  # noqa: B905
    )
    if code == _NO_MEMORY:
        raise MemoryError(f"no memory is left for {kernel}")
    if code == _TOO_SMALL:
        raise ValueError(f"{kernel} takes no sides that are so short")
    if code != _DONE:
        raise RuntimeError(f"{kernel} ended with {code}")


@cache
def _takes(kernel: str) -> tuple[_Takes, ...]:
    said = [one.partition(":")[::2] for one in _KERNELS[kernel].split()]
    places = {name: place for place, (kind, name) in enumerate(said) if kind == "i" and name}
    found = []
    for kind, named in said:
        sides = []
        for side in named.split(",") if kind[0] in _TYPES else ():
            times, name, less = re.fullmatch(r"(\d*)([a-z]*)-?(\d*)", side).groups()  # type: ignore
            sides.append((int(times or 1), places[name] if name else None, int(less or 0)))
        found.append(_Takes(kind[0], kind.endswith("?"), tuple(sides)))
    return tuple(found)


def _as_c(takes: _Takes, argument: _Argument, every: tuple[_Argument, ...]) -> Any:
    kind = takes.kind
    if kind == "i" and isinstance(argument, int):
        return ctypes.c_ssize_t(argument)
    if kind == "n" and isinstance(argument, (int, float)):
        return ctypes.c_double(argument)
    if kind in _TYPES:
        if argument is None and takes.or_null:
            return ctypes.c_void_p(None)
        if isinstance(argument, np.ndarray):
            flags = argument.flags
            if not (argument.dtype == _TYPES[kind] and flags.c_contiguous and flags.aligned):
                raise TypeError(
                    f"a kernel takes contiguous {_TYPES[kind].__name__}, not {argument!r}"
                )
            size = 1
            for times, place, less in takes.sides:
                size *= times * (1 if place is None else every[place]) - less  # type: ignore
            if argument.size != size:
                raise ValueError(f"a kernel takes {size} numbers there, not {argument.shape}")
            return _address(argument)
    raise TypeError(f"a kernel takes no {type(argument).__name__} there")


def _address(values: NDArray[Any]) -> Any:
    """Of the first number; `values.ctypes.data` takes three times as long."""
    try:
        return ctypes.byref(ctypes.c_char.from_buffer(values))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # nobody may write there, or it is empty
        return ctypes.c_void_p(values.ctypes.data)


def library_path(*, slowest: bool = False) -> Path:
    """Of the library for this processor.

    Args:
        slowest: The one that every processor of this kind can run.
    """
    machine = platform.machine()
    fast = machine == "x86_64" and cv2.checkHardwareSupport(_AVX2)
    return _FOLDER / f"kernels-{machine}{'-avx2' if fast and not slowest else ''}.so"


@cache
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
        of = getattr(library, "lunar_sources", None)
        told = of and ctypes.cast(of, ctypes.c_char_p).value
        if told != hashlib.sha256(every).hexdigest().encode():
            raise BackendError(f"{path.name} was compiled from other sources; {again}")
    return library
