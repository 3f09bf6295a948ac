"""What cannot be used is refused: one line, the right exit code, and nothing is written.

Each case prepares a bad thing in an otherwise good call and gives the arguments. stderr is read
from the file descriptor, so that what libpng, libjpeg or ONNX Runtime print counts too.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest


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
        return self.left_holds(encoded(pixels, suffix))

    def good(self, suffix: str, *parameters: int) -> bytes:
        return encoded(self.texture(1), suffix, *parameters)

    def rig(self, text: str) -> list[object]:
        (self.folder / "rig.json").write_text(text)
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
        path.write_text(json.dumps(whole))
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


def encoded(pixels: np.ndarray, suffix: str, *parameters: int) -> bytes:
    done, data = cv2.imencode(suffix, pixels, parameters)
    assert done
    return data.tobytes()


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


def level(value: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full((64, 64), value, dtype)


def with_one(call: Call, value: float) -> np.ndarray:
    pixels = call.texture(1).astype(np.float32)
    pixels[3, 4] = value
    return pixels


def linked(call: Call) -> list[object]:
    model = call.bundle / "model.onnx"
    model.rename(call.folder / "elsewhere.onnx")
    model.symlink_to(call.folder / "elsewhere.onnx")
    return call.plus()


def linked_folder(call: Call) -> list[object]:
    (call.bundle / "more").symlink_to(call.folder)
    return call.plus()


def half_copied(call: Call) -> list[object]:
    """As `cp` leaves it when the disk is full: the manifest came last."""
    call.file("model.onnx", cut)
    return call.file("manifest.json", None)


I4 = np.eye(4).tolist()

#: Name, what to spoil, exit code, pieces of the line in any order.
Case = tuple[str, Callable[[Call], list[object]], int, str]

IMAGES: list[Case] = [
    ("missing", lambda c: c.left_at("nowhere.png"), 3, "nowhere.png: no such file"),
    ("under a file", lambda c: c.left_at(c.right / "x.png"), 3, "no such file"),
    ("right missing", lambda c: [c.left, "no.png", "--bundle", c.bundle], 3, "no.png: no such"),
    ("a folder first", lambda c: c.left_at(c.folder), 3, "is a folder"),
    ("a folder second", lambda c: [c.left, c.folder], 2, "RIGHT must be an image"),
    ("a device", lambda c: c.left_at("/dev/zero"), 3, "not a regular file"),
    (
        "name too long",
        lambda c: [*c.left_at("a" * 300), "--out", "out"],
        3,
        "cannot be read … too long",
    ),
    ("empty", lambda c: c.left_holds(b""), 3, "spoilt.png: is empty"),
    ("text", lambda c: c.left_holds(b"craters " * 99), 3, "not a PNG, JPEG, TIFF or PGM"),
    ("a video", lambda c: c.left_holds(b"\0\0\0\x18ftypmp42" * 9), 3, "not a PNG"),
    ("PNG cut", lambda c: c.left_holds(cut(c.good(".png"))), 3, "truncated PNG"),
    ("PNG without end", lambda c: c.left_holds(c.good(".png")[:-12]), 3, "truncated PNG"),
    ("PNG of 8 bytes", lambda c: c.left_holds(c.good(".png")[:8]), 3, "truncated PNG"),
    ("PNG damaged", lambda c: c.left_holds(flipped(c.good(".png"))), 3, "damaged PNG … checksum"),
    ("PNG of few pixels", lambda c: c.left_holds(png_that_claims(64, 64)), 3, "damaged PNG"),
    ("JPEG cut", lambda c: c.left_holds(cut(c.good(".jpg"))), 3, "truncated JPEG"),
    ("JPEG of 20 bytes", lambda c: c.left_holds(c.good(".jpg")[:20]), 3, "truncated JPEG"),
    (
        "JPEG ended early",
        lambda c: c.left_holds(cut(c.good(".jpg"), 0.7) + b"\xff\xd9"),
        3,
        "damaged JPEG … premature end",
    ),
    ("TIFF cut", lambda c: c.left_holds(cut(c.good(".tif"))), 3, "truncated or damaged TIFF"),
    (
        "TIFF without last rows",
        lambda c: c.left_holds(tiff_with_directory_first(c.texture(1))[:-100]),
        3,
        "truncated TIFF",
    ),
    ("TIFF LZW damaged", lambda c: c.left_holds(flipped(c.good(".tif"), 0.4)), 3, "damaged TIFF"),
    (
        "TIFF damaged",
        lambda c: c.left_holds(flipped(c.good(".tif", cv2.IMWRITE_TIFF_COMPRESSION, 8), 0.4)),
        3,
        "damaged TIFF",
    ),
    ("NaN", lambda c: c.left_shows(with_one(c, np.nan), ".tif"), 3, "1 of 4096 pixels are NaN"),
    ("infinity", lambda c: c.left_shows(with_one(c, np.inf), ".tif"), 3, "NaN or infinite"),
    ("int32", lambda c: c.left_shows(level(7, np.int32), ".tif"), 3, "int32 pixels"),
    ("PGM cut", lambda c: c.left_holds(cut(c.good(".pgm"))), 3, "truncated PGM"),
    ("PGM header", lambda c: c.left_holds(b"P5 sixty four 255 "), 3, "damaged PGM"),
    ("no pixels", lambda c: c.left_holds(png_that_claims(0, 0)), 3, "0x0 px is too small"),
    ("1 x 1", lambda c: c.left_shows(level(9)[:1, :1]), 3, "1x1 px is too small … 32 px"),
    ("31 rows", lambda c: c.left_shows(c.texture(1, 31, 64)), 3, "64x31 px is too small"),
    (
        "101 megapixels",
        lambda c: c.left_holds(png_that_claims(10100, 10000)),
        3,
        "10100x10000 px is over 100 megapixels",
    ),
    ("4 terapixels", lambda c: c.left_holds(png_that_claims(2**21, 2**21)), 3, "100 megapixels"),
    ("sizes differ", lambda c: c.left_shows(c.texture(1, 64, 65)), 3, "64x64 … 65x64 … same size"),
    ("same file", lambda c: [c.left, c.left, "--bundle", c.bundle], 3, "same image … no parallax"),
    ("same pixels", lambda c: c.left_holds(c.right.read_bytes()), 3, "same image"),
    ("black", lambda c: c.left_shows(level(0)), 3, "no texture (all black"),
    ("white", lambda c: c.left_shows(level(255)), 3, "no texture (all white"),
    ("grey", lambda c: c.left_shows(level(99)), 3, "no texture (all one grey level"),
    ("black, 16 bit", lambda c: c.left_shows(level(0, np.uint16)), 3, "no texture"),
    ("bright, 16 bit", lambda c: c.left_shows(level(60000, np.uint16)), 3, "no texture"),
]

BUNDLES: list[Case] = [
    ("missing", lambda c: [c.left, c.right, "--bundle", "no"], 3, "no: no such … lunar-export"),
    ("a file", lambda c: [c.left, c.right, "--bundle", c.left], 3, "not a folder"),
    ("empty", lambda c: [c.left, c.right, "--bundle", c.images()], 3, "no manifest.json"),
    ("half copied", half_copied, 3, "no manifest.json … lunar-export"),
    ("not JSON", lambda c: c.file("manifest.json", lambda _: b"{ no"), 3, "not a bundle manifest"),
    (
        "not text",
        lambda c: c.file("manifest.json", lambda _: b"\xff\0"),
        3,
        "not a bundle manifest",
    ),
    ("a list", lambda c: c.file("manifest.json", lambda _: b"[]"), 3, "not a bundle manifest"),
    ("blank", lambda c: c.file("manifest.json", lambda _: b""), 3, "not a bundle manifest"),
    ("cut JSON", lambda c: c.file("manifest.json", cut), 3, "not a bundle manifest"),
    (
        "huge",
        lambda c: c.file("manifest.json", lambda _: b" " * (5 << 20)),
        3,
        "bytes are too many",
    ),
    ("newer", lambda c: c.manifest("format_version", 3), 3, "format_version 3 … update lunar-edge"),
    ("older", lambda c: c.manifest("format_version", 0), 3, "format_version 0 … re-create"),
    ("unknown field", lambda c: c.manifest("mood", "good"), 3, "unknown field `mood`"),
    ("unknown inner field", lambda c: c.manifest("graph/mood", 1), 3, "`mood` … `$.graph`"),
    ("missing field", lambda c: c.manifest("student", REMOVED), 3, "`student`"),
    ("wrong type", lambda c: c.manifest("graph/height", "64"), 3, "$.graph.height"),
    ("unknown precision", lambda c: c.manifest("precision", "fp8"), 3, "fp8 … $.precision"),
    ("no time zone", lambda c: c.manifest("created", "2025-01-01T00:00:00"), 3, "$.created"),
    ("no hash", lambda c: c.manifest("files/model.onnx/sha256", "abc"), 3, "regex … sha256"),
    ("other hash", lambda c: c.manifest("files/model.onnx/sha256", "0" * 64), 3, "onnx: altered"),
    ("other size", lambda c: c.manifest("files/model.onnx/bytes", 7), 3, "onnx … instead of 7"),
    ("leads out", lambda c: c.lists("../left.png"), 3, "'../left.png': leads out of the bundle"),
    ("absolute", lambda c: c.lists("/etc/passwd"), 3, "'/etc/passwd': not a plain relative path"),
    ("backslash", lambda c: c.lists("..\\left.png"), 3, "not a plain relative path"),
    ("lists itself", lambda c: c.lists("manifest.json"), 3, "cannot list itself"),
    ("lists a folder", lambda c: c.lists("engines"), 3, "engines: missing"),
    (
        "unlisted model",
        lambda c: c.manifest("files/model.onnx", REMOVED),
        3,
        "model.onnx is not in `files`",
    ),
    (
        "no golden tolerance",
        lambda c: c.manifest("golden/tolerances", {}),
        3,
        "lacks pointmap_left",
    ),
    ("other outputs", lambda c: c.manifest("graph/output_set", "left"), 3, "output_set 'left'"),
    ("other size of input", lambda c: c.manifest("graph/height", 32), 3, "inputs must be"),
    ("INT8 uncalibrated", lambda c: c.manifest("precision", "int8"), 3, "without calibration"),
    ("one byte of the model", lambda c: c.file("model.onnx", flipped), 3, "model.onnx: altered"),
    ("model cut", lambda c: c.file("model.onnx", cut), 3, "model.onnx … bytes instead of"),
    ("model missing", lambda c: c.file("model.onnx", None), 3, "model.onnx: missing"),
    ("golden missing", lambda c: c.file("golden.npz", None), 3, "golden.npz: missing"),
    ("extra file", lambda c: c.file("notes.txt", lambda _: b"!"), 3, "notes.txt: not listed"),
    ("extra weights", lambda c: c.file("model.onnx.data", lambda _: b"!"), 3, "data: not listed"),
    ("symbolic link", linked, 3, "model.onnx: is a symbolic link"),
    ("link to a folder", linked_folder, 3, "more: not listed"),
    ("not a model", lambda c: c.model(b"no protobuf"), 3, "model.onnx … cannot load it"),
    ("no model", lambda c: c.model(b""), 3, "model.onnx"),
    (
        "half a model",
        lambda c: c.model(cut((c.bundle / "model.onnx").read_bytes())),
        3,
        "cannot load it … lunar-export",
    ),
]

OPTIONS: list[Case] = [
    ("no arguments", lambda _: [], 2, "LEFT"),
    ("no right image", lambda c: [c.left], 2, "RIGHT"),
    ("three images", lambda c: [c.left, c.right, c.left], 2, "unexpected extra argument"),
    ("unknown option", lambda c: c.plus("--fast"), 2, "--fast"),
    ("intrinsics words", lambda c: c.plus("--intrinsics", "a,b,c,d"), 2, "FX,FY,CX,CY"),
    ("three intrinsics", lambda c: c.plus("--intrinsics", "80,32,32"), 2, "3 numbers, not 4"),
    ("negative focal", lambda c: c.plus("--intrinsics=-80,80,32,32"), 2, "positive"),
    ("NaN focal", lambda c: c.plus("--intrinsics", "nan,80,32,32"), 2, "finite"),
    ("baseline zero", lambda c: c.plus("--baseline-m", 0), 2, "--baseline-m 0 … positive"),
    ("baseline negative", lambda c: c.plus("--baseline-m=-5"), 2, "--baseline-m -5"),
    ("baseline NaN", lambda c: c.plus("--baseline-m", "nan"), 2, "--baseline-m nan"),
    ("baseline a word", lambda c: c.plus("--baseline-m", "far"), 2, "--baseline-m … 'far'"),
    ("altitude negative", lambda c: c.plus("--altitude-m=-1"), 2, "--altitude-m -1"),
    ("altitude infinite", lambda c: c.plus("--altitude-m", "inf"), 2, "--altitude-m inf"),
    (
        "two scales",
        lambda c: c.plus("--baseline-m", 1, "--altitude-m", 1),
        2,
        "--baseline-m and --altitude-m … give one",
    ),
    ("negative smoothing", lambda c: c.plus("--smoothing-px=-1"), 2, "--smoothing-px -1"),
    ("NaN confidence", lambda c: c.plus("--min-confidence", "nan"), 2, "--min-confidence nan"),
    ("high confidence", lambda c: c.plus("--min-confidence", 99), 3, "confidence 99 … lower it"),
    ("unknown view", lambda c: c.plus("--view", "top"), 2, "--view … 'top'"),
    ("unknown slope", lambda c: c.plus("--slope", "steep"), 2, "--slope … 'steep'"),
    ("unknown backend", lambda c: c.plus("--backend", "magic"), 2, "--backend … 'magic'"),
    ("unknown device", lambda c: c.plus("--device", "tpu"), 2, "--device … 'tpu'"),
    ("no threads", lambda c: c.plus("--threads", 0), 2, "--threads 0"),
    ("rig missing", lambda c: c.plus("--rig", "no.json"), 3, "no.json … no such file"),
    ("rig a folder", lambda c: c.plus("--rig", c.folder), 3, "cannot be read"),
    ("rig not JSON", lambda c: c.rig("left: 80"), 3, "rig.json: not a rig file"),
    ("rig empty", lambda c: c.rig("{}"), 3, "rig is empty"),
    ("rig unknown field", lambda c: c.rig('{"centre": {}}'), 3, "`centre`"),
    (
        "rig negative focal",
        lambda c: c.rig('{"left": {"intrinsics": [-80, 80, 32, 32]}}'),
        3,
        "left.intrinsics … positive",
    ),
    ("rig 3 numbers", lambda c: c.rig('{"left": {"intrinsics": [8, 3, 3]}}'), 3, "left.intrinsics"),
    ("rig stretches", lambda c: c.pose([2, 0, 0, 0], *I4[1:]), 3, "right_from_left … orthonormal"),
    ("rig mirrors", lambda c: c.pose([-1, 0, 0, 0], *I4[1:]), 3, "mirrors"),
    ("rig three rows", lambda c: c.pose(*I4[:3]), 3, "4 × 4"),
    ("rig no up", lambda c: c.rig('{"up_left": [0, 0, 0]}'), 3, "up_left"),
    ("rig no baseline", lambda c: c.pose(*I4), 3, "baseline … positive"),
]

OUTPUTS: list[Case] = [
    ("exists", lambda c: c.plus("--out", c.images("depth.tif")), 3, "exists already … --overwrite"),
    ("a file", lambda c: c.plus("--out", c.a_file()), 3, "flat: is a file"),
    ("overwrite a file", lambda c: c.plus("--overwrite", "--out", c.a_file()), 3, "is a file"),
    (
        "overwrite other things",
        lambda c: c.plus("--overwrite", "--out", c.images("thesis.png")),
        3,
        "'thesis.png' … not ours to overwrite",
    ),
    (
        "under a file",
        lambda c: c.plus("--out", c.a_file() / "out"),
        3,
        "cannot write … not a folder",
    ),
    ("name too long", lambda c: c.plus("--out", "a" * 300), 3, "cannot write … too long"),
    ("in /proc", lambda c: c.plus("--out", "/proc/lunar/out"), 3, "cannot write"),
]

BATCHES: list[Case] = [
    ("missing", lambda c: ["no.csv"], 3, "no.csv: no such file"),
    ("empty", lambda c: c.table(""), 3, "no columns `left` and `right`"),
    ("no header", lambda c: c.table("a.png,b.png\n"), 3, "no columns"),
    ("header only", lambda c: c.table("left,right\n"), 3, "no pairs"),
    ("unknown column", lambda c: c.table("left,right,sun\na,b,c\n"), 3, "left, right, sun"),
    ("column twice", lambda c: c.table("left,right,left\na,b,c\n"), 3, "each once"),
    ("cell missing", lambda c: c.table("left,right\nleft.png,\n"), 3, "line 2 lacks"),
    ("too many cells", lambda c: c.table("left,right\na,b,c\n"), 3, "line 2 … too many"),
    ("open quote", lambda c: c.table('left,right\n"a,b\n'), 3, "not a readable CSV"),
    ("binary", lambda c: c.table(b"\xff\xfe\0\0"), 3, "not a readable CSV"),
    ("same name", lambda c: c.table("left,right\na/x.png,b\nc/x.png,d\n"), 3, "'x' … named out"),
    ("no images", lambda c: [c.images()], 3, "no images"),
    ("odd", lambda c: [c.images("1.png", "2.png", "3.png")], 3, "3 images, an odd number"),
    (
        "sides differ",
        lambda c: [c.images("left/1.png", "left/2.png", "right/1.png")],
        3,
        "2 images in left/, 1 in right/",
    ),
    ("folder and image", lambda c: [c.left, c.bundle], 2, "RIGHT must be an image"),
    ("folder and folder", lambda c: [c.folder, c.bundle], 2, "RIGHT must be an image"),
]

CASES = {
    f"{group}: {case[0]}": case[1:]
    for group, cases in {
        "image": IMAGES,
        "bundle": BUNDLES,
        "option": OPTIONS,
        "output": OUTPUTS,
        "batch": BATCHES,
    }.items()
    for case in cases
}


def tiff_with_directory_first(pixels: np.ndarray) -> bytes:
    """A TIFF whose pixels come last, as libtiff's streaming writers and many cameras lay it out."""
    height, width = pixels.shape
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, 122), (277, 3, 1), (278, 4, height), (279, 4, pixels.size),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    assert len(head) == 122
    return head + pixels.tobytes()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() or path.is_symlink()
    } | {str(path): (0, 0) for path in folder.rglob("*") if path.is_dir()}


@pytest.fixture
def call(tmp_path, pair, bundle, make_texture, monkeypatch) -> Call:
    monkeypatch.chdir(tmp_path)  # where a default --out would go
    return Call(tmp_path, *pair, bundle, make_texture)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_one_line(name, call, infer):
    spoil, code, pieces = CASES[name]
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


def test_a_good_call_is_not_refused(call, infer):
    """The call that every case above spoils."""
    outcome = infer(*call.plus())
    assert (outcome.code, outcome.err) == (0, "")


def test_a_tiff_with_its_directory_first_is_read(call, infer):
    arguments = call.left_holds(tiff_with_directory_first(call.texture(5)))
    assert infer(*arguments).code == 0


@pytest.mark.parametrize("options", [("--view", "right"), ("--view", "both"), ("--baseline-m", 9)])
def test_a_left_bundle_refuses_what_it_lacks(options, call, infer, bundles):
    call.bundle = bundles["left"]
    outcome = infer(*call.plus(*options))
    assert outcome.code == 2
    assert outcome.err.startswith(f"lunar-infer: {' '.join(map(str, options[:1]))}")
    assert "right pointmap" in outcome.err
    assert "--outputs both" in outcome.err
    assert not (call.folder / "left_depth").exists()


def test_cuda_that_is_not_there_is_refused(call, infer):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    outcome = infer(*call.plus("--device", "cuda"))
    assert outcome.code == 4
    assert outcome.err.startswith("lunar-infer: --device cuda: this onnxruntime ")
    assert "onnxruntime-gpu" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(call, infer):
    locked = call.folder / "locked"
    locked.mkdir(mode=0o500)
    outcome = infer(*call.plus("--out", locked / "out"))
    assert outcome.code == 3
    assert "no permission" in outcome.err
