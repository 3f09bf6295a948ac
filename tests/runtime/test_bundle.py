"""Bundles are written whole, verified to the last byte, and name what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_runtime.bundles.bundle import Bundle, write_bundle
from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.doubts import gate_warning
from lunar_runtime.bundles.manifest import (
    CalibrationRecord,
    FileRecord,
    GateRecord,
    Manifest,
    ReductionRecord,
)
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.errors import BundleError, OutputError
from lunar_runtime.files.digests import sha256_of

from .plane_scene import Outputs, PlaneScene


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def files(
    make_golden: Callable[..., bytes], make_outputs: Callable[..., Outputs], scene: PlaneScene
) -> dict[str, Path | bytes]:
    return {"model.onnx": b"graph", "golden.npz": make_golden(make_outputs(scene, "left"))}


def test_what_is_written_can_be_opened(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    written = write_bundle(tmp_path / "deep" / "b", make_manifest("left"), files)
    opened = Bundle.open(tmp_path / "deep" / "b")
    assert opened == written
    assert opened.digest == sha256_of(opened.path / "manifest.json")
    assert opened.model_path.read_bytes() == b"graph"
    assert opened.manifest.files["model.onnx"].bytes == 5
    assert names(tmp_path) == [f"deep/b/{n}" for n in ("golden.npz", "manifest.json", "model.onnx")]


def test_files_are_copied_from_paths_as_well(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(range(256)) * 10_000)  # over two chunks of the hash
    files["model.onnx.data"] = weights
    bundle = write_bundle(tmp_path / "b", make_manifest("left"), files)
    assert bundle.manifest.files["model.onnx.data"].bytes == 2_560_000
    assert bundle.manifest.files["model.onnx.data"].sha256 == sha256_of(weights)


def test_a_bundle_can_be_moved_and_linked_to(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    digest = write_bundle(tmp_path / "a", make_manifest("left"), files).digest
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    assert Bundle.open(tmp_path / "link").digest == digest


def test_engines_made_on_the_target_need_no_entry(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    write_bundle(tmp_path / "b", make_manifest("left"), files)
    (tmp_path / "b" / "engines").mkdir()
    (tmp_path / "b" / "engines" / "gpu.plan").write_bytes(b"engine")
    Bundle.open(tmp_path / "b")


def test_an_existing_bundle_stays_without_overwrite(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    old = write_bundle(tmp_path / "b", make_manifest("left"), files)
    with pytest.raises(OutputError, match="exists already; set `overwrite`"):
        write_bundle(tmp_path / "b", make_manifest("left", gate="failed"), files)
    assert Bundle.open(tmp_path / "b") == old


def test_overwrite_replaces_the_whole_bundle(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    write_bundle(tmp_path / "b", make_manifest("left"), {**files, "notes/more.txt": b"old"})
    new = write_bundle(tmp_path / "b", make_manifest("left", gate="failed"), files, overwrite=True)
    assert new.manifest.gate == "failed"
    assert names(tmp_path / "b") == ["golden.npz", "manifest.json", "model.onnx"]
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]


def test_a_failed_overwrite_leaves_the_old_bundle(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    old = write_bundle(tmp_path / "b", make_manifest("left"), files)
    files["model.onnx"] = tmp_path / "nowhere.onnx"
    with pytest.raises(OutputError, match=r"nowhere\.onnx: no such file"):
        write_bundle(tmp_path / "b", make_manifest("left"), files, overwrite=True)
    assert Bundle.open(tmp_path / "b") == old
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]


def test_overwrite_spares_a_folder_of_other_things(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years")
    with pytest.raises(OutputError, match=r"'thesis\.tex', which is not ours"):
        write_bundle(tmp_path / "home", make_manifest("left"), files, overwrite=True)
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years"


def test_a_broken_bundle_may_be_overwritten(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    write_bundle(tmp_path / "b", make_manifest("left"), files)
    (tmp_path / "b" / "manifest.json").write_text("{ no")
    write_bundle(tmp_path / "b", make_manifest("left"), files, overwrite=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model.onnx": None}, r"model\.onnx is not in `files`"),
        ({"../escape": b""}, r"'\.\./escape': leads out of the bundle"),
        ({"/root": b""}, "'/root': not a plain relative path"),
    ],
)
def test_a_bundle_that_could_not_be_opened_is_not_written(
    tmp_path: Path,
    make_manifest: Callable[..., Manifest],
    files: dict[str, Path | bytes],
    changes: dict[str, bytes | None],
    reason: str,
) -> None:
    files = {name: value for name, value in {**files, **changes}.items() if value is not None}
    with pytest.raises(BundleError, match=reason):
        write_bundle(tmp_path / "deep" / "b", make_manifest("left"), files)
    assert not list(tmp_path.iterdir())


LISTED = {name: FileRecord(sha256="1" * 64, bytes=1) for name in ("model.onnx", "golden.npz")}


def test_a_manifest_survives_encoding(make_manifest: Callable[..., Manifest]) -> None:
    manifest = make_manifest(
        "left",
        precision="int8",
        calibration=CalibrationRecord(digest="0" * 64, count=64, method="percentile 99.99"),
        files=LISTED,
    )
    text = encode_manifest(manifest)
    assert decode_manifest(text) == manifest
    assert text.startswith(b'{\n  "student": {\n    "id": "plane"')
    assert json.loads(text)["created"] == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize("version", [0, 6, 99])
def test_another_format_version_is_told_from_damage(
    make_manifest: Callable[..., Manifest], version: int
) -> None:
    """Whatever else such a manifest holds."""
    text = msgspec.json.encode({"format_version": version, "shape": "unheard of"})
    with pytest.raises(BundleError, match=rf"^b/manifest\.json: format_version {version}, this"):
        decode_manifest(text, "b/manifest.json")


def test_a_manifest_of_version_1_reads_as_it_did(make_manifest: Callable[..., Manifest]) -> None:
    manifest = make_manifest("left", files=LISTED)
    fields = json.loads(encode_manifest(manifest))
    del fields["reduction"], fields["checksum"]
    old = json.dumps(fields | {"format_version": 1}).encode()
    assert decode_manifest(old) == msgspec.structs.replace(manifest, format_version=1)


def test_a_failed_gate_is_told_with_its_reasons(
    make_manifest: Callable[..., Manifest], make_gate: Callable[..., GateRecord]
) -> None:
    assert gate_warning(make_manifest("left")) is None
    assert gate_warning(make_manifest("left", gate="failed")) == (
        "it did not pass the accuracy gate of its export"
    )
    reduction = ReductionRecord(
        layers=3, kept={}, steps=(0.9,), gate=make_gate("slopes shift by 0.90 deg", "it is slower")
    )
    failed = make_manifest("left", gate="failed", reduction=reduction, files=LISTED)
    assert decode_manifest(encode_manifest(failed)) == failed
    assert gate_warning(failed) == (
        "it did not pass the accuracy gate of its export (slopes shift by 0.90 deg; it is slower)"
    )


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", "a b/ü.txt"])
def test_plain_names_are_fine(name: str) -> None:
    assert check_file_name(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/../b",
        "/a",
        "a//b",
        "./a",
        "a/",
        "a\\b",
        "C:a",
        "a\0b",
        "manifest.json",
        "engines/a.plan",
        "signatures.json",
        "a\x1b[2J",
    ],
)
def test_names_that_could_lead_elsewhere_are_not(name: str) -> None:
    assert check_file_name(name)


def test_golden_pair_holds_images_and_expected_outputs(
    bundles: dict[str, Path], make_outputs: Callable[..., Outputs], scene: PlaneScene
) -> None:
    golden = Bundle.open(bundles["left"]).golden()
    assert golden.left.shape == golden.right.shape == (64, 64)
    expected = make_outputs(scene, "left")["pointmap_left"][:, 2::4, 2::4]
    np.testing.assert_array_equal(golden.outputs["pointmap_left"], expected)
    assert golden.tolerances == {"pointmap_left": 1e-5, "confidence_left": 1e-5}


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "not a golden pair"),
        ({"left": np.zeros((64, 64), np.uint8)}, "not a golden pair"),
        (
            {"left": np.zeros((9, 9)), "right": np.zeros((9, 9))},
            "left is float64 .*instead of uint8",
        ),
        ({"left": np.array([{}]), "right": 1}, "not a golden pair"),
        ({"left": np.zeros((8192, 8192), np.uint8)}, r"left is uint8 \(8192, 8192\) instead of"),
    ],
)
def test_a_golden_file_of_other_things_is_refused(
    tmp_path: Path,
    make_manifest: Callable[..., Manifest],
    files: dict[str, Path | bytes],
    arrays: dict[str, Any],
    reason: str,
) -> None:
    path = tmp_path / "golden.npz"
    with path.open("wb") as stream:
        values = {"pointmap_left": np.zeros(1), "confidence_left": np.zeros(1), **arrays}
        np.savez(stream, **values)
    files["golden.npz"] = path
    bundle = write_bundle(tmp_path / "b", make_manifest("left"), files)
    with pytest.raises(BundleError, match=reason):
        bundle.golden()


def test_a_golden_file_that_is_no_archive_is_refused(
    tmp_path: Path, make_manifest: Callable[..., Manifest], files: dict[str, Path | bytes]
) -> None:
    files["golden.npz"] = b"PK not really"
    bundle = write_bundle(tmp_path / "b", make_manifest("left"), files)
    with pytest.raises(BundleError, match=r"golden\.npz: not a golden pair"):
        bundle.golden()
