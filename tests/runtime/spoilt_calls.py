"""A good call of lunar-infer, spoilt in one place, and how it must be refused."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.files.sealed_json import seal

from .images import encode
from .outcomes import Outcome


@dataclass
class Call:
    """A good call, for a case to spoil: every method spoils one thing and gives the arguments."""

    folder: Path
    left: Path
    right: Path
    bundle: Path
    texture: Callable[..., np.ndarray]

    def plus(self, *options: object) -> list[object]:
        return [self.left, self.right, "--bundle", self.bundle, *options]

    def left_at(self, path: object) -> list[object]:
        return [path, self.right, "--bundle", self.bundle]

    def left_holds(self, content: bytes) -> list[object]:
        (self.folder / "spoilt.png").write_bytes(content)
        return self.left_at(self.folder / "spoilt.png")

    def left_shows(self, pixels: np.ndarray, suffix: str = ".png") -> list[object]:
        return self.left_holds(encode(pixels, suffix))

    def good(self, suffix: str, *parameters: int) -> bytes:
        return encode(self.texture(1), suffix, *parameters)

    def rig(self, text: str | bytes) -> list[object]:
        content = text if isinstance(text, bytes) else text.encode()
        (self.folder / "rig.json").write_bytes(content)
        return self.plus("--rig", self.folder / "rig.json")

    def pose(self, *rows: list[float]) -> list[object]:
        return self.rig(json.dumps({"right_from_left": rows}))

    def file(self, name: str, change: Callable[[bytes], bytes] | None) -> list[object]:
        """Change, make or (None) remove a file of the bundle."""
        path = self.bundle / name
        if change is None:
            path.unlink()
        else:
            path.write_bytes(change(path.read_bytes() if path.exists() else b""))
        return self.plus()

    def manifest(self, place: str, value: object) -> list[object]:
        """Set a field; `graph/height` is a field of a field. Without a value, remove it."""
        path = self.bundle / "manifest.json"
        whole = record = json.loads(path.read_text())
        *parents, name = place.split("/")
        for parent in parents:
            record = record[parent]
        record[name] = value
        if value is REMOVED:
            del record[name]
        path.write_bytes(sealed(whole))
        return self.plus()

    def lists(self, name: str) -> list[object]:
        """List a file that looks in order but for its name."""
        files = json.loads((self.bundle / "manifest.json").read_text())["files"]
        return self.manifest("files", {**files, name: files["model.onnx"]})

    def model(self, content: bytes) -> list[object]:
        """A bad model that the manifest agrees with."""
        (self.bundle / "model.onnx").write_bytes(content)
        record = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        return self.manifest("files/model.onnx", record)

    def table(self, text: str | bytes) -> list[object]:
        path = self.folder / "pairs.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return [path, "--bundle", self.bundle]

    def row(self, out: str) -> list[object]:
        """A table of one pair, whose results go to `out`."""
        return self.table(f"left,right,out\nleft.png,right.png,{out}\n")

    def pipe(self, name: str) -> Path:
        """A named pipe that nobody writes to."""
        os.mkfifo(self.folder / name)
        return self.folder / name

    def images(self, *names: str) -> Path:
        """A folder of images."""
        folder = self.folder / "many"
        folder.mkdir()
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(self.good(".png"))
        return folder

    def a_file(self) -> Path:
        (self.folder / "flat").write_text("a file")
        return self.folder / "flat"


REMOVED = object()


def sealed(manifest: dict[str, Any]) -> bytes:
    """A manifest of whoever can write the checksum too."""
    fields = {name: value for name, value in manifest.items() if name != "checksum"}
    return seal(json.dumps(fields, indent=2).encode() + b"\n")


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header is in order and whose pixels are a few bytes."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    )


def cut(content: bytes, share: float = 0.5) -> bytes:
    return content[: int(len(content) * share)]


def flipped(content: bytes, share: float = 0.5) -> bytes:
    at = int(len(content) * share)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


#: Name, what to spoil, exit code, pieces of the line in any order.
Case = tuple[str, Callable[[Call], list[object]], int, str]


def by_name(cases: list[Case]) -> dict[str, tuple[Callable[[Call], list[object]], int, str]]:
    """Cases for `parametrize`, which shows their names."""
    return {name: (spoil, code, pieces) for name, spoil, code, pieces in cases}


def check_refused(
    call: Call,
    infer: Callable[..., Outcome],
    spoil: Callable[[Call], list[object]],
    code: int,
    pieces: str,
) -> None:
    """One line on stderr with all pieces in any order, this exit code, and nothing written."""
    arguments = spoil(call)
    before = snapshot(call.folder)
    outcome = infer(*arguments)
    lines = outcome.err.splitlines()
    assert outcome.code == code, outcome.err
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("lunar-infer: ")
    for piece in pieces.split(" … "):
        assert piece in lines[0]
    assert outcome.out == ""
    assert snapshot(call.folder) == before


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    } | {str(path): (0, 0) for path in folder.rglob("*") if path.is_dir()}
