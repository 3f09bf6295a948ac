"""One edit of a file: what disks, copies, transfers and people do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

_LONGEST = 16  # bytes put in or taken out
_BLOCK = 512  # bytes, as disks lose them


class Edit(NamedTuple):
    """An edit.

    Attributes:
        kind: Key of `KINDS`.
        place: First byte that differs.
        content: Of the file afterwards.
    """

    kind: str
    place: int
    content: bytes


def draw_edit(content: bytes, rng: np.random.Generator) -> Edit:
    """An edit of a random kind at a random place, that does change the file.

    Args:
        content: Of the file; at least two bytes.
        rng: What is drawn from.
    """
    while True:
        kind = str(rng.choice(list(KINDS)))
        place = int(rng.integers(len(content)))
        edited = KINDS[kind](content, place, rng)
        if edited != content:
            return Edit(kind, place, edited)


def every_bit(content: bytes) -> Iterator[bytes]:
    """The file with each of its bits turned over, in order."""
    for place in range(len(content)):
        for bit in range(8):
            other = bytes([content[place] ^ 1 << bit])
            yield content[:place] + other + content[place + 1 :]


def every_truncation(content: bytes) -> Iterator[bytes]:
    """The file cut before each of its bytes."""
    for place in range(len(content)):
        yield content[:place]


def _bit(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    other = content[place] ^ 1 << int(rng.integers(8))
    return content[:place] + bytes([other]) + content[place + 1 :]


def _byte(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    return content[:place] + rng.bytes(1) + content[place + 1 :]


def _insert(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    return content[:place] + rng.bytes(int(rng.integers(1, _LONGEST + 1))) + content[place:]


def _delete(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    return content[:place] + content[place + int(rng.integers(1, _LONGEST + 1)) :]


def _repeat(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    end = place + int(rng.integers(1, _BLOCK + 1))
    return content[:end] + content[place:end] + content[end:]


def _zero(content: bytes, place: int, _: np.random.Generator) -> bytes:
    start = place // _BLOCK * _BLOCK
    end = min(start + _BLOCK, len(content))
    return content[:start] + bytes(end - start) + content[end:]


def _exchange(content: bytes, place: int, rng: np.random.Generator) -> bytes:
    first, second = sorted((place, int(rng.integers(len(content)))))
    length = min(_LONGEST, second - first, len(content) - second)
    one, other = content[first : first + length], content[second : second + length]
    return (
        content[:first]
        + other
        + content[first + length : second]
        + one
        + content[second + length :]
    )


def _truncate(content: bytes, place: int, _: np.random.Generator) -> bytes:
    return content[:place]


def _append(content: bytes, _: int, rng: np.random.Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, _BLOCK + 1)))


def _newline(content: bytes, _: int, __: np.random.Generator) -> bytes:
    return content + b"\n"


def _windows(content: bytes, _: int, __: np.random.Generator) -> bytes:
    return content.replace(b"\n", b"\r\n")


#: Kind -> what it makes of a file, given a place.
KINDS: dict[str, Callable[[bytes, int, np.random.Generator], bytes]] = {
    "a bit": _bit,
    "a byte": _byte,
    "bytes put in": _insert,
    "bytes taken out": _delete,
    "bytes twice": _repeat,
    "a block of zeros": _zero,
    "bytes exchanged": _exchange,
    "cut": _truncate,
    "bytes after the end": _append,
    "a newline after the end": _newline,
    "line ends of Windows": _windows,
}
