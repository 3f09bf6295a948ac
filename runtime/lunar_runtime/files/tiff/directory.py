"""The directories of a TIFF or BigTIFF file: which images it holds, and how their samples lie.

Nothing is decoded here. Entries are unpacked when they are asked for, so that a crafted count costs
nothing. Numbers are those of the TIFF 6.0 specification; 42113 is GDAL's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

_MOST_DIRECTORIES = 1024
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_BYTES = {2: "ASCII", 7: "UNDEFINED"}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class Tag(IntEnum):
    """The tags that are looked at."""

    NEW_SUBFILE_TYPE = 254
    SUBFILE_TYPE = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    PREDICTOR = 317
    COLOUR_MAP = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SUB_DIRECTORIES = 330
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    GDAL_NODATA = 42113


class Content(Protocol):
    """A file's bytes, by slices: all of them in memory, or read when they are asked for."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, key: slice, /) -> bytes:
        """Some of them."""
        ...


@dataclass(frozen=True)
class Layout:
    """How a file writes numbers: its byte order, and whether it is a BigTIFF."""

    order: str
    big: bool

    @property
    def count(self) -> str:
        """Struct format of the number of entries."""
        return self.order + ("Q" if self.big else "H")

    @property
    def offset(self) -> str:
        """Struct format of a place in the file."""
        return self.order + ("Q" if self.big else "I")

    @property
    def entry(self) -> str:
        """Struct format of an entry: tag, type, count and the value's bytes or place."""
        return self.order + ("HHQ8s" if self.big else "HHI4s")


@dataclass(frozen=True)
class Entry:
    """One entry as it stands in the file."""

    kind: int
    count: int
    inline: bytes


@dataclass(frozen=True)
class Directory:
    """One image of a file."""

    data: Content
    layout: Layout
    entries: Mapping[int, Entry]

    def integers(self, tag: Tag) -> tuple[int, ...]:
        """All values of an integer tag; empty if the tag is not there.

        Raises:
            ValueError: The tag holds no integers, or lies outside the file.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return ()
        if entry.kind not in _INTEGERS:
            raise ValueError(f"tag {tag} is no integer")
        return struct.unpack(
            f"{self.layout.order}{entry.count}{_INTEGERS[entry.kind]}",
            self._bytes(entry, struct.calcsize(_INTEGERS[entry.kind])),
        )

    def integer(self, tag: Tag, default: int) -> int:
        """The first value of an integer tag.

        Raises:
            ValueError: As `integers`.
        """
        values = self.integers(tag)
        return values[0] if values else default

    def text(self, tag: Tag) -> str:
        """An ASCII tag up to its first NUL; empty if the tag is not there.

        Raises:
            ValueError: The tag lies outside the file.
        """
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _BYTES:
            return ""
        return self._bytes(entry, 1).split(b"\0")[0].decode("latin-1").strip()

    def content(self, entry: Entry) -> bytes:
        """An entry's values as they stand in the file; of a type that is not known none.

        Raises:
            ValueError: They lie outside the file.
        """
        return self._bytes(entry, _SIZES.get(entry.kind, 0))

    @property
    def width(self) -> int:
        """Columns. Raises ValueError if they are not given."""
        return self._required(Tag.WIDTH)

    @property
    def height(self) -> int:
        """Rows. Raises ValueError if they are not given."""
        return self._required(Tag.HEIGHT)

    @property
    def is_reduced(self) -> bool:
        """Whether this is a smaller copy of another image in the file."""
        return bool(self.integer(Tag.NEW_SUBFILE_TYPE, 0) & 1) or (
            self.integer(Tag.SUBFILE_TYPE, 1) == 2
        )

    @property
    def is_mask(self) -> bool:
        """Whether this is the validity mask of another image in the file, as GDAL writes them."""
        return bool(self.integer(Tag.NEW_SUBFILE_TYPE, 0) & 4)

    @property
    def extents(self) -> list[tuple[int, int]]:
        """Place and length of every strip or tile.

        Raises:
            ValueError: There are none, or lengths are missing.
        """
        for offsets, counts in (
            (Tag.TILE_OFFSETS, Tag.TILE_BYTES),
            (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES),
        ):
            if offsets in self.entries:
                return list(zip(self.integers(offsets), self.integers(counts), strict=True))
        raise ValueError("neither strips nor tiles")

    def _required(self, tag: Tag) -> int:
        values = self.integers(tag)
        if not values:
            raise ValueError(f"tag {tag} is missing")
        return values[0]

    def _bytes(self, entry: Entry, size: int) -> bytes:
        length = entry.count * size
        if length <= len(entry.inline):
            return entry.inline[:length]
        (at,) = struct.unpack(self.layout.offset, entry.inline)
        if at + length > len(self.data):
            raise ValueError("tag beyond the end of the file")
        return self.data[at : at + length]


def read_directories(data: Content) -> list[Directory]:
    """All directories of a file, in its order; a chain that leaves the file ends there.

    Raises:
        ValueError: The first one is not whole.
    """
    layout = Layout(
        order="<" if data[:2] == b"II" else ">",
        big=b"+" in data[2:4],
    )
    found: list[Directory] = []
    try:
        at = _number(layout.offset, data, 8 if layout.big else 4)
        seen: set[int] = set()
        while at and at not in seen and len(found) < _MOST_DIRECTORIES:
            seen.add(at)
            directory, at = _read_directory(data, layout, at)
            found.append(directory)
    except struct.error as error:
        if not found:
            raise ValueError("truncated or damaged TIFF") from error
    if not found:
        raise ValueError("truncated or damaged TIFF")
    return found


def sub_directories(directory: Directory) -> list[Directory]:
    """The directories that one points to: where raw files and their converters keep full images."""
    found = []
    for at in directory.integers(Tag.SUB_DIRECTORIES)[:_MOST_DIRECTORIES]:
        try:
            found.append(_read_directory(directory.data, directory.layout, at)[0])
        except struct.error:
            continue
    return found


def with_directory(
    data: Content, layout: Layout, entries: Mapping[int, Entry | Sequence[int]]
) -> bytes:
    """The file with one directory, appended, in place of its own; what the old ones name stays.

    Args:
        data: The file.
        layout: Of the file.
        entries: Per tag an entry to keep, or integers to write.
    """
    arrays = b"\0" * (len(data) % 2)
    packed = []
    for tag in sorted(entries):
        value = entries[tag]
        if not isinstance(value, Entry):
            raw = struct.pack(f"{layout.order}{len(value)}{layout.offset[1]}", *value)
            inline = raw
            if len(raw) > struct.calcsize(layout.offset):
                inline = struct.pack(layout.offset, len(data) + len(arrays))
                arrays += raw
            value = Entry(16 if layout.big else 4, len(value), inline)
        packed.append(struct.pack(layout.entry, tag, value.kind, value.count, value.inline))
    at = len(data) + len(arrays)
    place = 8 if layout.big else 4
    head = data[:place] + struct.pack(layout.offset, at)
    end = struct.pack(layout.offset, 0)
    count = struct.pack(layout.count, len(packed))
    return b"".join([head, data[len(head) :], arrays, count, *packed, end])


def _number(form: str, data: Content, at: int) -> int:
    """Raises struct.error where the file ends before it."""
    value: int = struct.unpack(form, data[at : at + struct.calcsize(form)])[0]
    return value


def _read_directory(data: Content, layout: Layout, at: int) -> tuple[Directory, int]:
    """The directory at a place, and the place of the next one."""
    count = _number(layout.count, data, at)
    at += struct.calcsize(layout.count)
    step = struct.calcsize(layout.entry)
    if at + count * step > len(data):
        raise struct.error("directory beyond the end of the file")
    entries: dict[int, Entry] = {}
    for tag, kind, number, inline in struct.iter_unpack(layout.entry, data[at : at + count * step]):
        entries.setdefault(tag, Entry(kind, number, inline))
    at += count * step
    # The last next-place may be cut off: libtiff takes that for the end of the chain, too.
    following = data[at : at + struct.calcsize(layout.offset)]
    whole = len(following) == struct.calcsize(layout.offset)
    return Directory(data, layout, entries), (
        struct.unpack(layout.offset, following)[0] if whole else 0
    )
