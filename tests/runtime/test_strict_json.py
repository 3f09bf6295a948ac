"""JSON that two readers could read differently is refused; sealed files notice every change."""

from __future__ import annotations

import hashlib
import json

import pytest
from lunar_runtime.files.printable import printable
from lunar_runtime.files.sealed_json import seal, unseal
from lunar_runtime.files.strict_json import check_json

SEALED = seal(b'{\n  "a": 1,\n  "b": "two"\n}\n')


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "a": 2}', "the key 'a' comes twice"),
        (b'{"a": {"b": [{"c": 1, "c": 1}]}}', "the key 'c' comes twice"),
        (b'{"a": 1e999}', "the number 1e999 is too large"),
        (b'{"a": 9223372036854775808}', "the number 9223372036854775808 is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the number 9{40} is too large"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        (b'{"a": "\\u001b[2J"}', "holds control characters"),
        (b'{"a": "\\ud800"}', "holds control characters"),
        (b'{"a\\u202e": 1}', "holds control characters"),
        (b'{"a": "\n"}', "Invalid control character"),
        (b"[" * 17 + b"]" * 17, "nested deeper than 16"),
        (b'{"a":' * 100_000, "nested deeper than 16"),
        (b"[1, 2", "Expecting"),
        (b"", "Expecting value"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_json(content)


def test_ordinary_json_is_fine() -> None:
    check_json(b'{"a": [1, -2.5e-300, true, null], "b": {"c": "gr\xc3\xa4n \\u00e9"}}')
    check_json(b'{"layer": "\\u001e"}', any_text=True)


def test_the_checksum_is_that_of_the_other_lines() -> None:
    lines = SEALED.splitlines(keepends=True)
    assert json.loads(SEALED)["checksum"] == hashlib.sha256(b"".join(lines[:-2])).hexdigest()
    assert unseal(SEALED) == b'{\n  "a": 1,\n  "b": "two"\n}\n'
    assert unseal(b'{\n  "a": 1\n}\n') is None


def test_no_byte_of_a_sealed_file_can_change() -> None:
    """Either the file's end is no checksum any more, or the checksum is another's."""
    for place in range(len(SEALED)):
        for bit in range(8):
            edited = bytearray(SEALED)
            edited[place] ^= 1 << bit
            try:
                assert unseal(bytes(edited)) is None
            except ValueError as error:
                assert "altered" in str(error)
        try:
            assert unseal(SEALED[:place]) is None
        except ValueError as error:
            assert "altered" in str(error)
    assert unseal(SEALED + b"\n") is None


def test_what_a_terminal_obeys_is_spelled_out() -> None:
    assert printable("a\x1b[2J\nb\x9b\u202e\udcff") == "a\\x1b[2J\\nb\\x9b\\u202e\\udcff"
    assert printable("Ünï code 月") == "Ünï code 月"
