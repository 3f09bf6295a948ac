"""Weights in memory that can be checked: the very bytes that a session computes with.

They lie in one mapping, which this process can read and not write. Two kinds of checksums are taken
of it when it is made, from bytes that were verified:

- *sums*: the memory as rows of 512 words of 64 bits, added up column by column. They take a sixth
  of a CRC's time, so that all memory is summed after every pair. No single bit escapes them. Two do
  where they cancel: the same bit of the same column, once set and once cleared, which is one of
  65 536 random pairs of bits.
- *CRC-32*, slice by slice, one slice a pair: what cancels in the sums is found within 32 pairs.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

#: All weights are compared by CRC within so many pairs. S0 at 256 px: 0.24 ms a slice.
SLICES = 32

_ALIGNED = 64  # bytes: a cache line, and the widest register
_COLUMNS = 512  # words of 64 bits: a page of memory, so that the mapping has whole rows
_ROW = 8 * _COLUMNS


class HeldWeights:
    """Arrays in one read-only mapping, with their checksums.

    Args:
        values: By name; copied.

    Attributes:
        arrays: By name, read-only views of the mapping.
        bytes: Of the mapping.
    """

    def __init__(self, values: Mapping[str, NDArray[np.generic]]) -> None:
        places, end = {}, 0
        for name, value in values.items():
            places[name] = end
            end += -(-value.nbytes // _ALIGNED) * _ALIGNED
        self.bytes = max(_ROW, -(-end // _ROW) * _ROW)
        self._file = os.memfd_create("lunar-weights", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self._file, self.bytes)
            for name, value in values.items():
                self.write(places[name], np.ascontiguousarray(value).tobytes())
            self._memory = mmap.mmap(self._file, self.bytes, prot=mmap.PROT_READ)
        except BaseException:
            os.close(self._file)
            self._file = -1
            raise
        self.arrays = {
            name: np.frombuffer(self._memory, value.dtype, value.size, places[name]).reshape(
                value.shape
            )
            for name, value in values.items()
        }
        self.places = places
        self._rows = np.frombuffer(self._memory, np.uint64).reshape(-1, _COLUMNS)
        self._sums = self._sum()
        self._crcs = [self._crc(index) for index in range(SLICES)]

    def intact(self, index: int) -> bool:
        """Whether all sums, and the CRC of slice `index`, are what they were."""
        return np.array_equal(self._sum(), self._sums) and self._crc(index) == self._crcs[index]

    def write(self, place: int, content: bytes) -> None:
        """Change the bytes at `place`; for tests and campaigns of flipped bits."""
        if os.pwrite(self._file, content, place) != len(content):
            raise OSError(f"only a part of {len(content)} bytes could be written")

    def read(self, place: int, count: int) -> bytes:
        """`count` bytes at `place`."""
        return self._memory[place : place + count]

    def __del__(self) -> None:
        file = getattr(self, "_file", -1)
        if file >= 0:
            os.close(file)  # the mapping stays as long as its arrays

    def _sum(self) -> NDArray[np.uint64]:
        sums: NDArray[np.uint64] = np.add.reduce(self._rows, axis=0)
        return sums

    def _crc(self, index: int) -> int:
        rows = len(self._rows)
        first, last = rows * index // SLICES, rows * (index + 1) // SLICES
        return zlib.crc32(self._rows[first:last].data) if last > first else 0
