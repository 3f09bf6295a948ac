"""What cannot be used is refused: one line, the right exit code, and nothing is written.

Each case prepares a bad thing in an otherwise good call and gives the arguments. stderr is read
from the file descriptor, so that what libpng, libjpeg or ONNX Runtime print counts too.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from .outcomes import Outcome
from .spoilt_calls import (
    Call,
    Case,
    by_name,
    check_refused,
)

I4 = np.eye(4).tolist()

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
    ("smoothing all away", lambda c: c.plus("--smoothing-px", "1e9"), 2, "--smoothing-px … x<=512"),
    ("negative smoothing", lambda c: c.plus("--smoothing-px=-1"), 2, "--smoothing-px -1"),
    ("NaN confidence", lambda c: c.plus("--min-confidence", "nan"), 2, "--min-confidence nan"),
    ("bare confidence", lambda c: c.plus("--min-confidence", 2), 2, "--min-confidence 2 … as 25%"),
    ("unknown view", lambda c: c.plus("--view", "top"), 2, "--view … 'top'"),
    ("unknown slope", lambda c: c.plus("--slope", "steep"), 2, "--slope … 'steep'"),
    (
        "unknown backend",
        lambda c: c.plus("--backend", "magic"),
        2,
        "--backend magic: is not installed; choose one of auto, onnxruntime, openvino, tensorrt",
    ),
    (
        "unknown device",
        lambda c: c.plus("--device", "tpu"),
        2,
        "--device tpu: is not known; choose one of auto, cpu, cuda",
    ),
    ("no threads", lambda c: c.plus("--threads", 0), 2, "--threads … 0"),
    ("rig missing", lambda c: c.plus("--rig", "no.json"), 3, "no.json … no such file"),
    ("rig a folder", lambda c: c.plus("--rig", c.folder), 3, "is a folder; give a rig file"),
    ("rig a device", lambda c: c.plus("--rig", "/dev/zero"), 3, "not a regular file"),
    ("rig too large", lambda c: c.rig(" " * (1 << 20) + "{}"), 3, "1 MiB; give a rig file"),
    (
        "rig in UTF-16",
        lambda c: c.rig(b"\xff\xfe{\0}\0"),
        3,
        "rig.json: is UTF-16 text; save it as UTF-8",
    ),
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
]

OUTPUTS: list[Case] = [
    ("exists", lambda c: c.plus("--out", c.images("depth.tif")), 3, "exists already … overwrite"),
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
    ("nothing", lambda c: ["nofolder"], 3, "nofolder: no such file or folder; check the path"),
    ("missing", lambda c: ["no.csv"], 3, "no.csv: no such file"),
    ("empty", lambda c: c.table(""), 3, "no columns `left` and `right`"),
    ("no header", lambda c: c.table("a.png,b.png\n"), 3, "no columns"),
    ("header only", lambda c: c.table("left,right\n"), 3, "no pairs"),
    ("unknown column", lambda c: c.table("left,right,sun\na,b,c\n"), 3, "left, right, sun"),
    ("column twice", lambda c: c.table("left,right,left\na,b,c\n"), 3, "each once"),
    ("cell missing", lambda c: c.table("left,right\nleft.png,\n"), 3, "line 2 lacks"),
    ("too many cells", lambda c: c.table("left,right\na,b,c\n"), 3, "line 2 … too many"),
    ("open quote", lambda c: c.table('left,right\n"a,b\n'), 3, "not a readable CSV"),
    ("binary", lambda c: c.table(b"\xff\0\xff"), 3, "not a readable CSV"),
    ("UTF-16", lambda c: c.table("left,right\n".encode("utf-16")), 3, "is UTF-16 text"),
    ("a pipe", lambda c: [c.pipe("pairs.csv")], 3, "not a regular file; give a CSV file"),
    ("out above", lambda c: c.row("../../x"), 3, "line 2: out '../../x' leaves the folder"),
    ("out above inside", lambda c: c.row("a/../../x"), 3, "leaves the folder of all results"),
    ("out absolute", lambda c: c.row("/tmp/x"), 3, "leaves the folder of all results"),
    ("out here", lambda c: c.row("."), 3, "leaves the folder of all results"),
    (
        "out inside another",
        lambda c: c.table("left,right,out\na,b,x\nc,d,y/../x/z\n"),
        3,
        "would lie in those of",
    ),
    (
        "out the same, spelled otherwise",
        lambda c: c.table("left,right,out\na,b,x\nc,d,y/../x\n"),
        3,
        "would both be named 'x'",
    ),
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

CASES = by_name(
    [
        (f"{group}: {name}", spoil, code, pieces)
        for group, cases in {"option": OPTIONS, "output": OUTPUTS, "batch": BATCHES}.items()
        for name, spoil, code, pieces in cases
    ]
)


@pytest.mark.parametrize(("spoil", "code", "pieces"), CASES.values(), ids=CASES)
def test_bad_input_is_refused_in_one_line(
    call: Call,
    infer: Callable[..., Outcome],
    spoil: Callable[[Call], list[object]],
    code: int,
    pieces: str,
) -> None:
    check_refused(call, infer, spoil, code, pieces)


def test_a_good_call_is_not_refused(call: Call, infer: Callable[..., Outcome]) -> None:
    """The call that every case above spoils."""
    outcome = infer(*call.plus())
    assert (outcome.code, outcome.err) == (0, "")


def test_cuda_that_is_not_there_is_refused(call: Call, infer: Callable[..., Outcome]) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    outcome = infer(*call.plus("--device", "cuda"))
    assert outcome.code == 4
    assert outcome.err.startswith("lunar-infer: device cuda: this onnxruntime ")
    assert "onnxruntime-gpu" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(call: Call, infer: Callable[..., Outcome]) -> None:
    locked = call.folder / "locked"
    locked.mkdir(mode=0o500)
    outcome = infer(*call.plus("--out", locked / "out"))
    assert outcome.code == 3
    assert "no permission" in outcome.err
