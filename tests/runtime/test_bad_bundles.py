"""Bundles that cannot be used are refused; see `spoilt_calls`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .outcomes import Outcome
from .spoilt_calls import (
    REMOVED,
    Call,
    by_name,
    check_refused,
    cut,
    flipped,
)


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


CASES = by_name(
    [
        ("missing", lambda c: [c.left, c.right, "--bundle", "no"], 3, "no: no such … lunar-export"),
        ("a file", lambda c: [c.left, c.right, "--bundle", c.left], 3, "not a folder"),
        ("empty", lambda c: [c.left, c.right, "--bundle", c.images()], 3, "no manifest.json"),
        ("half copied", half_copied, 3, "no manifest.json … lunar-export"),
        (
            "not JSON",
            lambda c: c.file("manifest.json", lambda _: b"{ no"),
            3,
            "not a bundle manifest",
        ),
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
        (
            "newer",
            lambda c: c.manifest("format_version", 6),
            3,
            "format_version 6 … update lunar-edge",
        ),
        ("older", lambda c: c.manifest("format_version", 0), 3, "format_version 0 … re-create"),
        ("unknown field", lambda c: c.manifest("mood", "good"), 3, "unknown field `mood`"),
        ("unknown inner field", lambda c: c.manifest("graph/mood", 1), 3, "`mood` … `$.graph`"),
        ("missing field", lambda c: c.manifest("student", REMOVED), 3, "`student`"),
        ("wrong type", lambda c: c.manifest("graph/height", "64"), 3, "$.graph.height"),
        ("unknown precision", lambda c: c.manifest("precision", "fp8"), 3, "fp8 … $.precision"),
        ("no time zone", lambda c: c.manifest("created", "2025-01-01T00:00:00"), 3, "$.created"),
        ("no hash", lambda c: c.manifest("files/model.onnx/sha256", "abc"), 3, "regex … sha256"),
        (
            "other hash",
            lambda c: c.manifest("files/model.onnx/sha256", "0" * 64),
            3,
            "onnx: altered",
        ),
        ("other size", lambda c: c.manifest("files/model.onnx/bytes", 7), 3, "onnx … instead of 7"),
        (
            "leads out",
            lambda c: c.lists("../left.png"),
            3,
            "'../left.png': leads out of the bundle",
        ),
        (
            "absolute",
            lambda c: c.lists("/etc/passwd"),
            3,
            "'/etc/passwd': not a plain relative path",
        ),
        ("backslash", lambda c: c.lists("..\\left.png"), 3, "not a plain relative path"),
        ("lists itself", lambda c: c.lists("manifest.json"), 3, "cannot list itself"),
        ("lists a folder", lambda c: c.lists("engines"), 3, "what is added to a bundle later"),
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
        (
            "one byte of the model",
            lambda c: c.file("model.onnx", flipped),
            3,
            "model.onnx: altered",
        ),
        ("model cut", lambda c: c.file("model.onnx", cut), 3, "model.onnx … bytes instead of"),
        ("model missing", lambda c: c.file("model.onnx", None), 3, "model.onnx: missing"),
        ("golden missing", lambda c: c.file("golden.npz", None), 3, "golden.npz: missing"),
        ("extra file", lambda c: c.file("notes.txt", lambda _: b"!"), 3, "notes.txt: not listed"),
        (
            "extra weights",
            lambda c: c.file("model.onnx.data", lambda _: b"!"),
            3,
            "data: not listed",
        ),
        ("symbolic link", linked, 3, "model.onnx: is a symbolic link"),
        ("link to a folder", linked_folder, 3, "more: not listed"),
        ("not a model", lambda c: c.model(b"no protobuf"), 3, "model.onnx … not an ONNX file"),
        ("no model", lambda c: c.model(b""), 3, "model.onnx"),
        (
            "half a model",
            lambda c: c.model(cut((c.bundle / "model.onnx").read_bytes())),
            3,
            "not an ONNX file … lunar-export",
        ),
    ]
)


@pytest.mark.parametrize(("spoil", "code", "pieces"), CASES.values(), ids=CASES)
def test_bad_bundles_are_refused_in_one_line(
    call: Call,
    infer: Callable[..., Outcome],
    spoil: Callable[[Call], list[object]],
    code: int,
    pieces: str,
) -> None:
    check_refused(call, infer, spoil, code, pieces)


@pytest.mark.parametrize("options", [("--view", "right"), ("--view", "both")])
def test_a_left_bundle_refuses_what_it_lacks(
    options: tuple[object, ...], call: Call, infer: Callable[..., Outcome], bundles: dict[str, Path]
) -> None:
    call.bundle = bundles["left"]
    outcome = infer(*call.plus(*options))
    assert outcome.code == 2
    assert outcome.err.startswith(f"lunar-infer: {' '.join(map(str, options[:1]))}")
    assert "right pointmap" in outcome.err
    assert "--outputs both" in outcome.err
    assert not (call.folder / "left_depth").exists()
