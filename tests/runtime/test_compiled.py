"""Graphs that ONNX Runtime rewrote: kept where the user says, verified, or rewritten again."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.backends import compiled, onnxruntime_session
from lunar_runtime.backends.compiled import CACHE_VARIABLE, CacheRecord, cache_folder, write_blob
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.errors import BundleError

from .apart import run_apart
from .scenes import hilly_scene

SCENE = hilly_scene(256)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled networks are kept."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept" / "onnxruntime"


def outputs(bundle: Bundle) -> dict[str, np.ndarray]:
    golden = bundle.golden()
    backend = select_backend(bundle, "onnxruntime", "cpu", 1)
    try:
        return backend.run(golden.left[None, None], golden.right[None, None])
    finally:
        backend.close()


def default_bundle() -> Bundle:
    return Bundle.open(default_bundle_path())


def refuse_to_rewrite(*_: object) -> None:
    raise AssertionError("the graph is rewritten again")


def test_what_was_rewritten_is_kept_and_taken_up(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = outputs(default_bundle())
    assert sorted(path.suffix for path in kept.iterdir()) == [".blob", ".json"]
    monkeypatch.setattr(onnxruntime_session, "optimise", refuse_to_rewrite)
    again = outputs(default_bundle())
    assert all((first[name] == again[name]).all() for name in first)


def test_a_folder_that_cannot_be_looked_into_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = outputs(default_bundle())
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / ("long" * 100)))  # ENAMETOOLONG, for root too
    after = outputs(default_bundle())
    assert all((before[name] == after[name]).all() for name in before)


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    shutil.copytree(default_bundle_path(), tmp_path / "s0")
    before = sorted(tmp_path.rglob("*"))
    outputs(Bundle.open(tmp_path / "s0"))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("suffix", ["blob", "json"])
def test_an_altered_one_is_one_line_and_exit_3(kept: Path, tmp_path: Path, suffix: str) -> None:
    outputs(default_bundle())
    path = next(kept.glob(f"*.{suffix}"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if suffix == "blob" else 0] ^= 1
    path.write_bytes(content)
    images = tmp_path / "left.png", tmp_path / "right.png"
    for image, grey in zip(images, (SCENE.grey_left, SCENE.grey_right), strict=True):
        cv2.imwrite(str(image), grey)
    setting = f"import os\nos.environ[{CACHE_VARIABLE!r}] = {str(kept.parent)!r}\nmain()"
    done = run_apart(
        setting, tmp_path / "left.png", tmp_path / "right.png", "--out", tmp_path / "o"
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "it is compiled again" in done.stderr
    assert not (tmp_path / "o").exists()


def test_what_no_record_names_goes_after_an_hour(kept: Path) -> None:
    outputs(default_bundle())
    (blob,) = kept.glob("*.blob")
    stem = blob.name[: -len("-01234567.blob")]
    for name, age_s in ((f"{stem}-0000000a.blob", 7200), (f"{stem}-0000000b.blob", 60)):
        (kept / name).write_bytes(b"left by another process")
        then = time.time() - age_s
        os.utime(kept / name, (then, then))
    (kept / f"{stem}.json").unlink()
    outputs(default_bundle())
    assert not (kept / f"{stem}-0000000a.blob").exists()
    assert (kept / f"{stem}-0000000b.blob").exists()


def test_a_record_that_is_a_link_to_nothing_is_refused(kept: Path) -> None:
    outputs(default_bundle())
    (record,) = kept.glob("*.json")
    record.unlink()
    record.symlink_to("/nowhere")
    with pytest.raises(BundleError, match="a link; delete it, and it is compiled again"):
        outputs(default_bundle())


def test_of_a_pair_that_was_exchanged_for_what_cannot_be_loaded_the_folder_is_named(
    kept: Path,
) -> None:
    bundle = default_bundle()
    outputs(bundle)
    (record,) = kept.glob("*.json")
    key = msgspec.json.decode(record.read_bytes(), type=CacheRecord).key
    write_blob(kept, key, b"\x0f" * 1000)
    with pytest.raises(
        BundleError, match=rf"^{kept}: what is kept of .* delete it, and it is made"
    ):
        outputs(bundle)


def test_one_of_another_processor_is_left_alone(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("model name : Other\nflags : sse2 avx2\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(compiled, "_PROCESSOR_INFO", tmp_path / "cpuinfo")
        outputs(default_bundle())
    (foreign,) = kept.glob("*.json")
    assert foreign.name.startswith("other-")
    outputs(default_bundle())
    assert len(list(kept.glob("*.json"))) == 2


def test_a_folder_that_cannot_be_written_to_is_no_error(
    kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept.parent.write_text("in the way")
    with caplog.at_level(logging.INFO):
        outputs(default_bundle())
    assert "the compiled network is not kept" in caplog.text


def test_of_what_a_trusted_key_signed_nothing_is_kept(kept: Path, tmp_path: Path) -> None:
    signed = SimpleNamespace(state="trusted")
    bundle = SimpleNamespace(signed=signed, path=tmp_path)
    assert cache_folder(bundle, "onnxruntime", in_bundle=True) is None  # type: ignore[arg-type]
    signed.state = "unsigned"
    assert cache_folder(bundle, "onnxruntime", in_bundle=True) == kept  # type: ignore[arg-type]
