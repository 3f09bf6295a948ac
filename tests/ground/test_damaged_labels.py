"""Labels that lie, and labels damaged at random: one line, no traceback, no large allocation."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import read_image

from .planetary_files import ground, write_isis, write_pds3, write_pds4

Write = Callable[[Path], Path]

FORMATS: dict[str, Write] = {
    "isis": lambda folder: write_isis(folder / "a.cub", ground().astype("<i2"), tile=(20, 30)),
    "pds3": lambda folder: write_pds3(
        folder / "A.IMG", ground().astype("<f4"), "PC_REAL", detached=True, suffix=4
    ),
    "pds4": lambda folder: write_pds4(
        folder / "a.xml", ground().astype(">i2"), "SignedMSB2", special={"missing_constant": "-1"}
    ),
}
_NUMBERS = [b"-1", b"0", b"1e308", b"99999999999999999999", b"16#FFFFFFFF#", b"2#2#", b"NaN", b"("]
_ROUNDS = 120


def mutated(label: bytes, random: np.random.Generator) -> bytes:
    """A label with one to four damages: bytes, numbers, lines lost, doubled or moved, its end."""
    data = bytearray(label)
    for _ in range(random.integers(1, 5)):
        place = int(random.integers(len(data)))
        kind = random.integers(6)
        lines = bytes(data).split(b"\n")
        line = int(random.integers(len(lines)))
        if kind == 0:
            data[place] = int(random.integers(256))
        elif kind == 1:
            digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
            at = digits[int(random.integers(len(digits)))] if digits else 0
            end = at
            while end < len(data) and chr(data[end]).isdigit():
                end += 1
            data[at:end] = _NUMBERS[int(random.integers(len(_NUMBERS)))]
        elif kind == 2:
            del lines[line]
            data = bytearray(b"\n".join(lines))
        elif kind == 3:
            lines.insert(int(random.integers(len(lines))), lines[line])
            data = bytearray(b"\n".join(lines))
        elif kind == 4:
            data[place : place + int(random.integers(1, 40))] = b""
        else:
            data = data[: max(place, 40)]
    return bytes(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_label_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = FORMATS[kind](tmp_path)
    original = path.read_bytes()
    size = original.find(b"\0") if kind == "isis" else len(original)
    random = np.random.default_rng(7)
    refused = 0
    read_image(path)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(_ROUNDS):
        label = mutated(original[:size], random)
        path.write_bytes(label.ljust(size, b"\0")[: max(size, len(label))] + original[size:])
        try:
            assert read_image(path).pixels.size <= 64 * 48 * 4
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
            assert str(error).startswith(str(tmp_path))
    assert refused > _ROUNDS / 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64_000


DEEP = 3000


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.lbl", "A = 1\n" + "OBJECT = X\n" * DEEP + "END\n", "line 33: its objects are too deep"),
        ("a.lbl", "A = 1\nOBJECT = X\nB = 2\nEND\n", "line 4: X has no end"),
        ("a.lbl", "A = 1\nEND_OBJECT = X\nEND\n", "line 2: END_OBJECT X ends nothing"),
        ("a.lbl", "A = 1\nOBJECT = X\nEND_OBJECT = Y\nEND\n", "line 3: END_OBJECT Y ends nothing"),
        ("a.lbl", "A = " + "(" * DEEP + "1" + ")" * DEEP + "\nEND\n", "points to no image"),
        ("a.lbl", "A = (1, 2\nB = 3\nEND\n", "A is not closed"),
        ("a.lbl", "A = 16#" + "F" * 100_000 + "#\nEND\n", "points to no image"),
        ("a.lbl", "A = 1\n" * 200_000, "there is no END|where a keyword|has no value"),
        ("a.lbl", 'A = "never closed\nEND\n', "is not closed or no sign of a label"),
        ("a.lbl", "A = 1\n/* never closed\nEND\n", "is not closed or no sign of a label"),
        ("a.lbl", '^IMAGE = "a.lbl"\nOBJECT = IMAGE\nEND_OBJECT\nEND\n', "has no SAMPLE_BITS"),
        ("a.lbl", "PDS_VERSION_ID = PDS3\nEND\n", "the label points to no image"),
        ("a.lbl", "Object = IsisCube\nEnd_Object\nEnd\n", "the label has no CORE"),
        ("a.xml", "<?xml version='1.0'?>" + "<a>" * 200_000, "the label is no XML"),
        ("a.xml", "<?xml version='1.0'?><Product_X/>", "no array of two or three axes"),
        ("a.xml", "<?xml version='1.0' encoding='nonsense'?><Product_X/>", "the label is no XML"),
        ("a.cub", "", "is empty"),
        ("a.cub", "/*" * 50_000, "no ISIS or PDS label in it"),
        ("a.cub", "/**/" * 50_000, "no ISIS or PDS label in it"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_hostile_label_is_refused_in_one_line(
    tmp_path: Path, name: str, text: str, error: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(InputError, match=error) as raised:
        read_image(path)
    assert "\n" not in str(raised.value)
    # The longest takes 1 s; an exponential or quadratic reader would not end.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - used < 30


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    from lunar_ground import open_planetary
    from lunar_runtime.files.window import Window

    path = write_isis(tmp_path / "a.cub", ground().astype("<i2"))
    image = open_planetary(path)
    with path.open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(InputError, match=r"a\.cub ended at byte 5000; copy it again"):
        image.read(Window(0, 0, 64, 48))
