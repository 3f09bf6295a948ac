"""What was verified is what is parsed: no file is looked up twice, no pipe is waited for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from lunar_runtime import StereoRuntime
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.manifest import Manifest
from lunar_runtime.errors import BundleError
from onnx import numpy_helper

from .outcomes import Outcome
from .plane_bundle import write_plane_bundle
from .plane_scene import plane_outputs, plane_scene
from .spoilt_calls import Call

IMAGE = np.zeros((1, 1, 64, 64), np.uint8)


def flat_bundle(folder: Path, constants: float = 5.0) -> Path:
    """The same graph with another world in it: the same point everywhere."""
    outputs = plane_outputs(plane_scene(), "both")
    flat = {name: np.full_like(values, constants) for name, values in outputs.items()}
    return write_plane_bundle(folder, "both", flat)


def exchange(bundle: Path, other: Path) -> None:
    (other / "model.onnx").replace(bundle / "model.onnx")


def test_a_model_exchanged_after_it_was_verified_does_not_run(bundle: Path, tmp_path: Path) -> None:
    """Held, the verified bytes run; read again, they are verified again."""
    expected = plane_outputs(plane_scene(), "both")["pointmap_left"]
    other = flat_bundle(tmp_path / "other")
    held, opened = Bundle.open(bundle, keep_model=True), Bundle.open(bundle)
    exchange(bundle, other)
    outputs = select_backend(held, "onnxruntime", "cpu", 1).run(IMAGE, IMAGE)
    np.testing.assert_array_equal(outputs["pointmap_left"], expected)
    for late in (opened, held):  # the held bytes are given once
        with pytest.raises(BundleError, match=r"model\.onnx: (altered|\d+ bytes instead)"):
            select_backend(late, "onnxruntime", "cpu", 1)


def test_a_model_altered_in_place_while_it_is_held_does_not_run(bundle: Path) -> None:
    expected = plane_outputs(plane_scene(), "both")["pointmap_left"]
    held = Bundle.open(bundle, keep_model=True)
    (bundle / "model.onnx").write_bytes(b"")
    outputs = select_backend(held, "onnxruntime", "cpu", 1).run(IMAGE, IMAGE)
    np.testing.assert_array_equal(outputs["pointmap_left"], expected)


def test_a_golden_pair_exchanged_after_it_was_verified_is_refused(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    content = (bundle / "golden.npz").read_bytes()
    (bundle / "golden.npz").write_bytes(content[:-1] + b"!")
    with pytest.raises(BundleError, match=r"golden\.npz: altered"):
        opened.golden()


def external(bundle: Path, tmp_path: Path, location: str) -> dict[str, Path | bytes]:
    """The bundle's files, its weights in `model.onnx.data`, which the graph calls `location`."""
    model = onnx.load(bundle / "model.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    lean = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for tensor in lean.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return {
        "model.onnx": lean.SerializeToString(),
        "model.onnx.data": (tmp_path / "m.data").read_bytes(),
        "golden.npz": (bundle / "golden.npz").read_bytes(),
    }


@pytest.mark.parametrize("location", ["engines/weights", "../m.data", "/etc/passwd", "m.data", ""])
def test_weights_that_the_manifest_does_not_list_are_not_followed(
    bundle: Path, tmp_path: Path, location: str, make_manifest: Callable[..., Manifest]
) -> None:
    files = external(bundle, tmp_path, location)
    made = write_bundle(tmp_path / "b", make_manifest("both"), files)
    (made.path / "engines").mkdir()
    shutil.copy(tmp_path / "m.data", made.path / "engines" / "weights")
    with pytest.raises(BundleError, match=r"which is not in `files`"):
        select_backend(made, "onnxruntime", "cpu", 1)


def test_listed_weights_run_from_the_bytes_that_were_verified(
    bundle: Path, tmp_path: Path, make_manifest: Callable[..., Manifest]
) -> None:
    """No library opens the second file: it is gone before the library is called."""
    made = write_bundle(
        tmp_path / "b", make_manifest("both"), external(bundle, tmp_path, "model.onnx.data")
    )
    model = made.model()
    (made.path / "model.onnx.data").rename(tmp_path / "gone")
    with pytest.raises(BundleError, match=r"model\.onnx\.data: missing"):
        select_backend(made, "onnxruntime", "cpu", 1)
    (tmp_path / "gone").rename(made.path / "model.onnx.data")
    expected = onnx.load(bundle / "model.onnx").graph.initializer
    for tensor in expected:
        if tensor.name in model.weights:
            np.testing.assert_array_equal(model.weights[tensor.name], numpy_helper.to_array(tensor))
    outputs = select_backend(made, "onnxruntime", "cpu", 1).run(IMAGE, IMAGE)
    plain = select_backend(Bundle.open(bundle), "onnxruntime", "cpu", 1).run(IMAGE, IMAGE)
    for name, values in plain.items():
        np.testing.assert_array_equal(outputs[name], values)


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "golden.npz", "signatures.json"])
def test_a_pipe_in_a_bundle_is_refused_and_not_waited_for(
    name: str, call: Call, infer: Callable[..., Outcome]
) -> None:
    (call.bundle / name).unlink(missing_ok=True)
    os.mkfifo(call.bundle / name)
    outcome = infer(*call.plus())
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("spoilt", ["pipe", "no JSON", "deep", "folder"])
def test_a_bad_engine_record_stops_nobody_who_runs_on_the_processor(
    spoilt: str, call: Call, infer: Callable[..., Outcome]
) -> None:
    record = call.bundle / "engines" / "a.json"
    record.parent.mkdir()
    if spoilt == "pipe":
        os.mkfifo(record)
    elif spoilt == "folder":
        record.mkdir()
    else:
        record.write_bytes(b"{" if spoilt == "no JSON" else b"[" * 100_000)
    assert infer(*call.plus("--device", "cpu", "--out", call.folder / "a")).code == 0
    outcome = infer(*call.plus("--out", call.folder / "b"))
    assert outcome.code == 0
    assert "no engine is used" in outcome.err or not outcome.err


def test_the_graphs_bytes_are_held_by_nobody_after_loading() -> None:
    """After loading, nobody holds the graph's bytes: not the bundle, not the library's session."""
    bundle = Bundle.open(default_bundle_path(), keep_model=True)
    runtime = StereoRuntime.load(bundle, "onnxruntime", device="cpu", threads=1)
    with runtime:
        assert not bundle._kept
        session = runtime._backend._loaded.session  # type: ignore[attr-defined]
        assert getattr(session, "_model_bytes", None) is None


def test_a_real_students_weights_can_be_in_a_file_of_their_own(tmp_path: Path) -> None:
    """Given as values instead of read by the library, they give the same bits."""
    path = default_bundle_path()
    packaged = Bundle.open(path)
    model = onnx.load(path / "model.onnx")
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="model.onnx.data")
    files: dict[str, Path | bytes] = {
        "model.onnx": tmp_path / "m.onnx",
        "model.onnx.data": tmp_path / "model.onnx.data",
        "golden.npz": path / "golden.npz",
    }
    apart = write_bundle(tmp_path / "b", packaged.manifest, files)
    assert len(apart.model().weights) > 100
    images = packaged.golden().left[None, None], packaged.golden().right[None, None]
    expected = select_backend(packaged, "onnxruntime", "cpu", 1).run(*images)
    found = select_backend(apart, "onnxruntime", "cpu", 1).run(*images)
    for name, values in expected.items():
        # Weights beside the graph are packed, others not: sums in another order. Seen: points
        # differ by 1e-6, confidences by 4e-5.
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4)
