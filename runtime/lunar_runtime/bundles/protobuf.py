"""The wire format of protocol buffers, as much of it as ONNX files need."""

from __future__ import annotations

from collections.abc import Collection, Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_SMALL = 4096  # bytes; to copy so few costs less than to read them through a view

Content = bytes | memoryview


def fields(content: Content, wanted: Collection[int]) -> Iterator[tuple[int, int | Content]]:
    """Field numbers of a message and their values, in the order of the file.

    Args:
        content: Of the message.
        wanted: Numbers of the fields that are given; the others are passed over.

    Yields:
        Number and value: of what has a length its bytes, else an unsigned integer.

    Raises:
        ValueError: It is no message: cut off, or of a kind that ONNX has not.
    """
    end = len(content)
    if end < _SMALL:
        content = bytes(content)
    place = 0
    while place < end:
        tag = content[place]
        place += 1
        if tag >= 0x80:
            tag, place = _varint(content, place - 1)
        kind = tag & 7
        if kind == _BYTES:
            if place < end and content[place] < 0x80:
                length = content[place]
                place += 1
            else:
                length, place = _varint(content, place)
            start, place = place, place + length
            if place > end:
                raise ValueError("a field is longer than its message")
            if tag >> 3 in wanted:
                yield tag >> 3, content[start:place]
        elif kind == _VARINT:
            value, place = _varint(content, place)
            if tag >> 3 in wanted:
                yield tag >> 3, value
        elif kind in (_FIXED64, _FIXED32):  # ONNX has them for values that nobody asks for here
            place += 8 if kind == _FIXED64 else 4
            if place > end:
                raise ValueError("a number is cut off")
        else:
            raise ValueError(f"a field has the wire type {kind}")


def text(value: int | Content) -> str:
    """A field's text.

    Raises:
        ValueError: It is none.
    """
    return str(view(value), "utf-8")


def number(value: int | Content) -> int:
    """A field's signed 64-bit number.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value


def numbers(value: int | Content) -> list[int]:
    """One number of a repeated field, or all of them where they are packed.

    Raises:
        ValueError: They are none.
    """
    if isinstance(value, int):
        return [number(value)]
    found, place = [], 0
    while place < len(value):
        one, place = _varint(value, place)
        found.append(number(one))
    return found


def view(value: int | Content) -> Content:
    """A field's bytes.

    Raises:
        ValueError: It has none.
    """
    if isinstance(value, int):
        raise ValueError("a number stands where bytes belong")
    return value


def _varint(content: Content, place: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(content[place : place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + index + 1
    raise ValueError("a number does not end")


def message(*parts: tuple[int, int | bytes]) -> bytes:
    """Fields of a message as its bytes: numbers that are not negative, or what has a length."""
    written = bytearray()
    for field, value in parts:
        if isinstance(value, int):
            written += _written_varint(field << 3 | _VARINT) + _written_varint(value)
        else:
            written += _written_varint(field << 3 | _BYTES) + _written_varint(len(value)) + value
    return bytes(written)


def _written_varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
