"""Memory that a tool needs at least, against what its process may have.

Where memory ends while libraries are loaded they end the process, some without a word: OpenBLAS
exits, threads that are not born abort, a session that is half made is a segmentation fault. So what
surely is too little is refused before anything is loaded. What is enough for that may still be too
little for large images, which is an error like any other.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lunar_runtime.backends.cores import CGROUP, MEMBERSHIP, control_groups, usable_cores
from lunar_runtime.errors import InputError

if TYPE_CHECKING:
    from lunar_runtime.bundles.manifest import Manifest

_MIB = 1 << 20
_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
# Of each library that brings an OpenBLAS of its own (NumPy, OpenCV): a thread's stack and heap.
_A_THREAD = 170


class Needs(NamedTuple):
    """MiB without which a tool cannot work, with one thread of OpenBLAS.

    Attributes:
        address: Of addresses, as `ulimit -v` limits them.
        data: Of private memory, as `ulimit -d` limits it.
        held: That is really in memory, as control groups (containers) limit it.
    """

    address: float
    data: float
    held: float

    def of(self, manifest: Manifest) -> Needs:
        """The same, with a bundle's network."""
        files = manifest.files.items()
        size = sum(record.bytes for name, record in files if name != manifest.golden.file) / _MIB
        address, data, held = (
            round(need + times * size) for need, times in zip(self, _MODEL_TIMES, strict=True)
        )
        return Needs(address, data, held)


#: Of `lunar-infer` for a small pair without a network; see `Needs.of`. Least that worked, of
#: addresses and data: 555 and 266 with S0 (30 MB), over 1800 and 1200 to 1500 with S2 (278 MB).
INFER = Needs(address=420, data=130, held=80)

# Of a graph's file, while it is loaded: it, what a library makes of it, the weights that stay.
_MODEL_TIMES = Needs(4.5, 4.5, 2)


def check_memory(needs: Needs) -> None:
    """Refuse to begin with too little memory.

    Args:
        needs: What is needed at least.

    Raises:
        InputError: The process may not have that much.
    """
    threads = _blas_threads() - 1
    needs = Needs(
        needs.address + _A_THREAD * threads,
        needs.data + _A_THREAD * threads,
        needs.held,
    )
    limits = list(_limits(needs))
    for what, limit, needed, whose in limits:
        if limit < needed * _MIB:
            blas = threads > 0 and whose.startswith("ulimit")
            fewer = "; OPENBLAS_NUM_THREADS=1 lowers the need" if blas else ""
            raise InputError(
                f"this needs {needed} MiB of {what} or more, and may have {limit // _MIB} "
                f"({whose}); raise that limit{fewer}"
            )
    if any(whose.startswith("ulimit") for *_, whose in limits):
        _load_what_exits()


def _limits(needs: Needs) -> Iterator[tuple[str, int, float, str]]:
    for kind, what, needed, whose in (
        (resource.RLIMIT_AS, "address space", needs.address, "ulimit -v"),
        (resource.RLIMIT_DATA, "data", needs.data, "ulimit -d"),
    ):
        limit = resource.getrlimit(kind)[0]
        if limit != resource.RLIM_INFINITY:
            yield what, limit, needed, whose
    granted = granted_memory(CGROUP, MEMBERSHIP)
    if granted is not None:
        yield "memory", granted, needs.held, "its control group's, or its container's"


def granted_memory(root: Path, membership: Path) -> int | None:
    """Bytes that the process's control groups grant; None = no limit. See `granted_cores`."""
    granted = []
    for group in control_groups(root, membership, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                granted.append(int((group / name).read_text()))
            except (OSError, ValueError):  # `max`: no limit
                continue
    return min(granted, default=None)


def _load_what_exits() -> None:
    """Load alone what ends the process where it finds too little memory.

    Beside a network that takes what is left, OpenCV's OpenBLAS was seen to exit, and a thread to
    abort because what threads end with could not be loaded any more.
    """
    import ctypes

    with suppress(OSError):  # another C library
        ctypes.CDLL("libgcc_s.so.1")
    import_module("cv2")


def one_blas_thread() -> None:
    """Have NumPy's OpenBLAS work without threads, unless the environment says how many.

    For a program's first lines: it is read when NumPy is imported. The products of a pair are so
    small that threads took a tenth of all the processor's time, waiting for each other.
    """
    if not any(name in os.environ for name in _BLAS_THREADS):
        os.environ[_BLAS_THREADS[0]] = "1"


def _blas_threads() -> int:
    for name in _BLAS_THREADS:
        try:
            return max(1, int(os.environ[name]))
        except (KeyError, ValueError):
            continue
    return usable_cores()
