"""How one sample is stored, and what number that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_ground.planetary.literals import read_literal

Decode = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class SampleType:
    """How one sample is stored.

    Attributes:
        stored: The type in the file, with its byte order.
        decode: From stored samples to numbers, where NumPy's own type does not say it.
    """

    stored: np.dtype[Any]
    decode: Decode | None = None

    @property
    def size(self) -> int:
        """Bytes of a sample."""
        return self.stored.itemsize

    def numbers(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored samples as numbers in native byte order."""
        if self.decode is not None:
            return self.decode(stored)
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)

    def constant(self, text: str) -> int | float | None:
        """A label's constant as the number that `numbers` gives where it is stored.

        Args:
            text: As in the label; bits in another base than ten are those of a sample.

        Returns:
            None where no sample can have it.

        Raises:
            FormatError: It is no number.
        """
        value, is_bits = read_literal(text)
        if is_bits:
            bits = int(value)
            if bits.bit_length() > 8 * self.size:
                return None
            order = "little" if self.stored.byteorder in "<=|" else "big"
            if self.decode is not None:  # words of VAX: the most significant comes first
                words = bits.to_bytes(self.size, "big")
                raw = b"".join(words[at : at + 2][::-1] for at in range(0, self.size, 2))
            else:
                raw = bits.to_bytes(self.size, "little" if order == "little" else "big")
            number: int | float = self.numbers(np.frombuffer(raw, self.stored)).item()
            return number
        if self.decode is None and self.stored.kind in "iu":
            whole = value if isinstance(value, int) else int(value) if value == value // 1 else None
            limits = np.iinfo(self.stored)
            return whole if whole is not None and limits.min <= whole <= limits.max else None
        with np.errstate(over="ignore"):
            return float(np.asarray(value, np.float64).astype(self._real))

    @property
    def _real(self) -> np.dtype[Any]:
        return np.dtype(f"f{self.size}")


def integer(size: int, *, signed: bool, big_endian: bool) -> SampleType:
    """An integer of 1, 2, 4 or 8 bytes."""
    return SampleType(np.dtype(f"{'>' if big_endian else '<'}{'i' if signed else 'u'}{size}"))


def real(size: int, *, big_endian: bool) -> SampleType:
    """An IEEE real of 4 or 8 bytes."""
    return SampleType(np.dtype(f"{'>' if big_endian else '<'}f{size}"))


def vax_real(size: int) -> SampleType:
    """VAX F_floating of 4 bytes, D_floating of 8."""
    if size == 4:
        return SampleType(np.dtype("<u4"), _vax_f)
    return SampleType(np.dtype("<u8"), _vax_d)


def _vax_f(stored: NDArray[Any]) -> NDArray[Any]:
    """Two little-endian words, the one with sign and exponent first."""
    bits = stored.astype(np.uint32)
    bits = (bits << np.uint32(16)) | (bits >> np.uint32(16))
    fraction = (bits & np.uint32(0x7FFFFF)) | np.uint32(0x800000)
    return _vax(bits >> np.uint32(23), fraction.astype(np.float64), 24).astype(np.float32)


def _vax_d(stored: NDArray[Any]) -> NDArray[Any]:
    words = stored.astype("<u8").reshape(-1).view("<u2").reshape(*stored.shape, 4)
    words = words.astype(np.uint64)
    bits = (
        (words[..., 0] << np.uint64(48))
        | (words[..., 1] << np.uint64(32))
        | (words[..., 2] << np.uint64(16))
        | words[..., 3]
    )
    fraction = (bits & np.uint64((1 << 55) - 1)) | np.uint64(1 << 55)
    return _vax(bits >> np.uint64(55), fraction.astype(np.float64), 56)


def _vax(head: NDArray[Any], fraction: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Sign and exponent, and a fraction of so many binary digits below one half to one."""
    exponent = (head & head.dtype.type(0xFF)).astype(np.int64)
    negative = (head >> head.dtype.type(8)).astype(bool)
    values = np.ldexp(fraction, exponent - 128 - digits)
    values = np.where(negative, -values, values)
    reserved = np.where(negative, np.nan, 0.0)  # exponent 0: zero, or the reserved operand
    return np.where(exponent == 0, reserved, values)
