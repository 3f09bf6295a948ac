"""Engines in a bundle: written whole, found by key, read only if they are what they were."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.backends.tensorrt.key import EngineKey
from lunar_runtime.backends.tensorrt.kinds import TENSORRT
from lunar_runtime.backends.tensorrt.record import EngineMemory, EngineRecord, read_record
from lunar_runtime.backends.tensorrt.store import (
    StoredEngine,
    check_free,
    engine_path,
    find_engine,
    model_sha256,
    stored_engines,
    write_engine,
)
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.trust import Signed
from lunar_runtime.errors import BackendError, BundleError, OutputError

ORIN = Gpu("Orin", (8, 7), integrated=True)
CONTENT = memoryview(b"a plan that no test runs")


@pytest.fixture
def opened(bundle: Path) -> Bundle:
    return Bundle.open(bundle)


def key_for(bundle: Bundle, **changes: Any) -> EngineKey:
    fields = {
        "library": "tensorrt",
        "version": "10.3.0",
        "gpu": ORIN.name,
        "compute_capabilities": (ORIN.compute_capability,),
        "model_sha256": model_sha256(bundle),
    }
    return EngineKey(**{**fields, **changes})


def store(bundle: Bundle, built: datetime | None = None, **changes: Any) -> StoredEngine:
    key = key_for(bundle, **changes)
    path = engine_path(bundle, key)
    record = EngineRecord(
        key=key,
        precision="fp32",
        plan=path.name,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=CONTENT.nbytes,
        weight_stripped=False,
        cuda_graph=True,
        description=EngineDescription((), ()),
        described_by="nobody",
        memory=EngineMemory(activations=None, weights=None, workspace_limit=1),
        golden=None,
        build_seconds=1.0,
        built=built or datetime(2025, 1, 1, tzinfo=timezone.utc),
    )
    return write_engine(path, CONTENT, record)


def find(bundle: Bundle, version: str = "10.3.0", gpu: Gpu | None = ORIN) -> StoredEngine:
    return find_engine(bundle, "tensorrt", version, gpu)


def test_what_was_written_is_found_and_read(opened: Bundle) -> None:
    written = store(opened)
    found = find(opened)
    assert found == written
    assert bytes(found.read()) == bytes(CONTENT)
    assert sorted(p.name for p in found.path.parent.iterdir()) == [
        "orin-sm87-trt10.3.0-fp32.json",
        "orin-sm87-trt10.3.0-fp32.plan",
    ]


def test_a_bundle_with_engines_still_verifies(opened: Bundle) -> None:
    store(opened)
    assert Bundle.open(opened.path).digest == opened.digest


def test_no_engine_says_how_to_build_one(opened: Bundle) -> None:
    with pytest.raises(BackendError, match=r"no tensorrt engine .* `lunar-engine .*bundle`"):
        find(opened)


def test_engines_that_do_not_fit_are_named_with_their_reasons(opened: Bundle) -> None:
    store(opened)
    store(opened, gpu="Thor", compute_capabilities=((11, 0),))
    store(opened, library="tensorrt-rtx", version="1.7.1.116", gpu="any")
    with pytest.raises(BackendError) as caught:
        find(opened, version="10.16.1")
    assert "orin-sm87-trt10.3.0-fp32.plan: it was made by tensorrt 10.3.0, here is 10.16.1" in str(
        caught.value
    )
    assert "any-sm87-trtrtx1.7.1.116-fp32.plan: it is for tensorrt-rtx" in str(caught.value)
    with pytest.raises(BackendError, match=r"thor-sm110.* it was made on Thor"):
        find(opened, gpu=Gpu("Orin NX", (8, 7), integrated=True))


def test_this_gpus_own_engine_comes_before_one_for_many(opened: Bundle) -> None:
    own = store(opened)
    newer = datetime(2026, 1, 1, tzinfo=timezone.utc)
    store(opened, built=newer, gpu="A100", hardware_compatible=True)
    assert find(opened) == own


def test_an_altered_plan_is_refused(opened: Bundle) -> None:
    path = store(opened).path
    path.write_bytes(bytes(CONTENT).replace(b"plan", b"pain"))
    with pytest.raises(BundleError, match=r"altered .*lunar-engine --overwrite"):
        find(opened).read()


def test_a_truncated_a_missing_and_a_linked_plan_are_refused(
    opened: Bundle, tmp_path: Path
) -> None:
    path = store(opened).path
    path.write_bytes(bytes(CONTENT)[:-1])
    with pytest.raises(BundleError, match=f"{CONTENT.nbytes - 1} bytes instead of"):
        find(opened).read()
    (tmp_path / "elsewhere").write_bytes(bytes(CONTENT))
    path.unlink()
    with pytest.raises(BundleError, match="missing or a link"):
        find(opened).read()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="missing or a link"):
        find(opened).read()


def test_an_engine_of_another_model_is_refused(opened: Bundle) -> None:
    store(opened, model_sha256="b" * 64)
    with pytest.raises(BackendError, match="made from another model"):
        find(opened)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:-20], "not an engine's record"),
        (lambda text: text.replace(b'"fp32"', b'"fp4"'), "not an engine's record"),
        (
            lambda text: text.replace(b'"format_version": 1', b'"format_version": 2'),
            "not an engine",
        ),
        (lambda text: text.replace(b".plan", b".other"), "describes '.*other', not its neighbour"),
        (lambda text: text.replace(b'"plan": "', b'"plan": "../../'), "not its neighbour"),
    ],
)
def test_a_damaged_record_is_refused(
    opened: Bundle, change: Callable[[bytes], bytes], reason: str
) -> None:
    path = store(opened).path.with_suffix(".json")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BundleError, match=reason):
        stored_engines(opened)


def test_a_record_survives_the_file(opened: Bundle) -> None:
    written = store(opened)
    assert read_record(written.path.with_suffix(".json")) == written.record
    assert isinstance(written, StoredEngine)


def test_an_engine_that_is_there_is_not_built_again_unasked(opened: Bundle) -> None:
    path = store(opened).path
    with pytest.raises(OutputError, match="exists already; set `overwrite`"):
        check_free(path, overwrite=False)
    check_free(path, overwrite=True)


def test_weights_in_a_second_file_belong_to_the_model(opened: Bundle) -> None:
    files = dict(opened.manifest.files)
    files["model.onnx.data"] = msgspec.structs.replace(files["model.onnx"], sha256="c" * 64)
    manifest = msgspec.structs.replace(opened.manifest, files=files)
    other = Bundle(opened.path, manifest, opened.digest)
    assert model_sha256(opened) == opened.manifest.files["model.onnx"].sha256
    assert model_sha256(other) not in (model_sha256(opened), "c" * 64)


def test_under_a_trust_store_auto_takes_no_engine(
    opened: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody signs what was compiled on the target."""
    store(opened)
    assert TENSORRT.auto.suits(opened)
    trusted = dataclasses.replace(opened, signed=Signed("trusted", ("flight",)))
    assert not TENSORRT.auto.suits(trusted)
    assert "nobody signs engines" in caplog.text
