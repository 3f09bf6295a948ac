"""OpenVINO on real graphs: in the precision that was judged, from a verified cache, or refused."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from lunar_runtime.backends import compiled as cache
from lunar_runtime.backends.openvino.backend import OpenvinoBackend
from lunar_runtime.backends.openvino.network import CompiledNetwork
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.manifest import FORMAT_VERSION, CalibrationRecord, Manifest
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.errors import BackendError, BundleError
from onnx import TensorProto, helper, numpy_helper

from .apart import run_apart
from .spoilt_calls import sealed

NEEDS_OPENVINO = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed"
)


@pytest.fixture
def s0(tmp_path: Path) -> Bundle:
    """A copy of the package's bundle, to write into."""
    shutil.copytree(default_bundle_path(), tmp_path / "s0")
    return Bundle.open(tmp_path / "s0")


def made_for_openvino(bundle: Bundle, path: Path, **graph: object) -> Bundle:
    """The same network with another manifest."""
    manifest = msgspec.structs.replace(
        bundle.manifest,
        target="openvino",
        graph=msgspec.structs.replace(bundle.manifest.graph, **graph),
        format_version=FORMAT_VERSION,
    )
    names = {name: bundle.path / name for name in bundle.manifest.files}
    return write_bundle(path, manifest, names)


def outputs(bundle: Bundle, name: str, threads: int = 1) -> dict[str, np.ndarray]:
    golden = bundle.golden()
    backend = select_backend(bundle, name, "cpu", threads)
    try:
        return backend.run(golden.left[None, None], golden.right[None, None])
    finally:
        backend.close()


def refuse_to_compile(*_: object) -> CompiledNetwork:
    raise AssertionError("compiled again")


# Where OpenVINO is not installed.


def test_a_missing_package_is_one_line_and_exit_4(
    pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = "import sys; sys.modules['openvino'] = None; main()"
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "--backend", "openvino"]
    done = run_apart(call, *pair, *options)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "install it with `pip install openvino`" in done.stderr


def test_auto_warns_where_a_bundle_was_made_for_it_and_it_is_missing(
    s0: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    backend = select_backend(made_for_openvino(s0, tmp_path / "b"), threads=1)
    assert backend.name.startswith("onnxruntime")
    assert "running on ONNX Runtime instead" in caplog.text


@pytest.mark.parametrize(
    ("target", "precision", "arithmetic", "problem"),
    [
        ("cpu", "bf16", "f32", "is for the target openvino alone"),
        ("tensorrt", "fp16", "f16", "is for the target openvino alone"),
        ("openvino", "fp32", "bf16", "precision fp32 computed in bf16"),
        ("openvino", "bf16", "f32", "precision bf16 computed in f32"),
    ],
)
def test_a_precision_that_was_not_judged_is_no_manifest(
    make_manifest: Callable[..., Manifest],
    target: str,
    precision: str,
    arithmetic: str,
    problem: str,
) -> None:
    manifest = make_manifest("left", target=target, precision=precision)
    graph = msgspec.structs.replace(manifest.graph, arithmetic=arithmetic)
    files = {name: {"sha256": "0" * 64, "bytes": 1} for name in ("model.onnx", "golden.npz")}
    fields = msgspec.to_builtins(msgspec.structs.replace(manifest, graph=graph)) | {"files": files}
    with pytest.raises(BundleError, match=problem):
        decode_manifest(sealed(fields))


def test_what_is_computed_in_float32_does_not_say_so() -> None:
    manifest = Bundle.open(default_bundle_path()).manifest
    assert b"arithmetic" not in encode_manifest(manifest)


# Where it is.


@NEEDS_OPENVINO
def test_points_are_those_of_onnx_runtime(s0: Bundle) -> None:
    """Another order of float32 sums, no more: 8e-7 was seen; bfloat16 gives 2e-3."""
    expected, found = outputs(s0, "onnxruntime"), outputs(s0, "openvino")
    for name in ("pointmap_left", "pointmap_right"):
        size = np.linalg.norm(expected[name], axis=-1)
        error = np.linalg.norm(found[name] - expected[name], axis=-1)
        assert (error / size).max() < 1e-5


@NEEDS_OPENVINO
def test_the_same_pair_gives_the_same_bits_compiled_or_from_the_cache(s0: Bundle) -> None:
    first = outputs(s0, "openvino")
    for _ in range(2):
        again = outputs(s0, "openvino")
        assert all((first[name] == again[name]).all() for name in first)


@NEEDS_OPENVINO
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_threads_change_no_more_than_the_order_of_sums(s0: Bundle) -> None:
    """One and two threads gave the same bits (AVX-512); no promise of OpenVINO's."""
    one, two = outputs(s0, "openvino", 1), outputs(s0, "openvino", 2)
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=1e-5, atol=1e-6 * np.abs(values).max())


@NEEDS_OPENVINO
def test_float32_is_what_openvino_says_it_computes_in(s0: Bundle) -> None:
    backend = OpenvinoBackend(s0, "cpu", 1)
    assert backend.name.endswith(", f32") and backend.network is not None
    assert backend.network.property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"  # type: ignore[attr-defined]
    assert set(backend.network.products()) == {"f32"}
    assert backend.network.property("ENABLE_CPU_PINNING") is False
    assert backend.network.property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0
    assert backend.network.property("INFERENCE_NUM_THREADS") == 1
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        image = np.zeros((1, 1, 256, 256), np.uint8)
        backend.run(image, image)


@NEEDS_OPENVINO
def test_auto_takes_it_for_a_bundle_that_was_made_for_it_and_for_no_other(
    s0: Bundle, tmp_path: Path
) -> None:
    for bundle, name in ((s0, "onnxruntime"), (made_for_openvino(s0, tmp_path / "b"), "openvino")):
        backend = select_backend(bundle, threads=1)
        assert backend.name.startswith(name)
        backend.close()


@NEEDS_OPENVINO
def test_a_precision_that_the_processor_lacks_is_refused(s0: Bundle, tmp_path: Path) -> None:
    """OpenVINO would take bfloat16 for float16 and say nothing."""
    from lunar_runtime.backends.openvino.library import import_library

    if "FP16" in import_library().capabilities("CPU"):
        pytest.skip("this processor computes in FP16")
    manifest = msgspec.structs.replace(s0.manifest, precision="fp16")
    half = made_for_openvino(Bundle(s0.path, manifest, s0.digest), tmp_path / "b", arithmetic="f16")
    with pytest.raises(BackendError, match=r"does not compute in f16, only in f32"):
        select_backend(half, "openvino")


@NEEDS_OPENVINO
def test_a_device_that_is_not_there_is_refused(s0: Bundle) -> None:
    from lunar_runtime.backends.openvino.library import import_library

    if len(import_library().core.available_devices) > 1:
        pytest.skip("this machine has another device")
    with pytest.raises(BackendError, match=r"device npu: openvino .* finds none here, only cpu"):
        select_backend(s0, "openvino", "npu")


@NEEDS_OPENVINO
def test_whole_integer_operators_are_one_line_and_exit_3(
    bundle: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    good = Bundle.open(bundle)
    model = onnx.load(good.model_path)
    scale = numpy_helper.from_array(np.float32(1), "scale")
    zero = numpy_helper.from_array(np.uint8(0), "zero")
    weight = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.uint8), "weight")
    model.graph.initializer.extend([scale, zero, weight])
    inputs = ["left", "scale", "zero", "weight", "scale", "zero", "scale", "zero"]
    model.graph.node.append(helper.make_node("QLinearConv", inputs, ["q"], name="layer"))
    model.graph.node.append(helper.make_node("Cast", ["q"], ["unread"], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    golden = {"golden.npz": bundle / "golden.npz"}
    files = {"model.onnx": model.SerializeToString(), **golden}
    record = CalibrationRecord(digest="0" * 64, count=1, method="minmax")
    manifest = msgspec.structs.replace(good.manifest, precision="int8", calibration=record)
    write_bundle(tmp_path / "q", manifest, files)
    done = run_apart(
        "main()",
        *pair,
        "--bundle",
        tmp_path / "q",
        "--backend",
        "openvino",
        "--out",
        tmp_path / "o",
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "QLinearConv, which OpenVINO computes" in done.stderr
    assert not (tmp_path / "o").exists()


@NEEDS_OPENVINO
def test_what_was_compiled_is_kept_and_taken_up(
    s0: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = outputs(s0, "openvino")
    names = sorted(path.suffix for path in (s0.path / "engines" / "openvino").iterdir())
    assert names == [".blob", ".json"]
    monkeypatch.setattr(CompiledNetwork, "of_graph", refuse_to_compile)
    again = outputs(s0, "openvino")
    assert all((first[name] == again[name]).all() for name in first)
    Bundle.open(s0.path)  # still verifies


@NEEDS_OPENVINO
@pytest.mark.parametrize("suffix", ["blob", "json"])
def test_an_altered_compiled_network_is_one_line_and_exit_3(
    s0: Bundle, pair: tuple[Path, Path], tmp_path: Path, suffix: str
) -> None:
    outputs(s0, "openvino")
    path = next((s0.path / "engines" / "openvino").glob(f"*.{suffix}"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if suffix == "blob" else 0] ^= 1
    path.write_bytes(content)
    done = run_apart(
        "main()", *pair, "--bundle", s0.path, "--backend", "openvino", "--out", tmp_path / "o"
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "it is compiled again" in done.stderr
    assert not (tmp_path / "o").exists()


@NEEDS_OPENVINO
def test_one_of_another_processor_is_left_alone_and_a_new_one_made(
    s0: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : sse2 avx2\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(cache, "_PROCESSOR_INFO", tmp_path / "cpuinfo")
        outputs(s0, "openvino")
    foreign = next((s0.path / "engines" / "openvino").glob("*.json"))
    outputs(s0, "openvino")
    records = sorted((s0.path / "engines" / "openvino").glob("*.json"))
    assert len(records) == 2
    own = next(path for path in records if path != foreign)
    record = msgspec.json.decode(foreign.read_bytes(), type=cache.CacheRecord)
    renamed = msgspec.structs.replace(record, blob=f"{own.stem}-{record.sha256[:8]}.blob")
    own.write_bytes(msgspec.json.encode(renamed))  # under this processor's name
    select_backend(s0, "openvino").close()
    fresh = msgspec.json.decode(own.read_bytes(), type=cache.CacheRecord)
    assert fresh.key != record.key


@NEEDS_OPENVINO
def test_a_bundle_that_cannot_be_written_to_runs_all_the_same(
    s0: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    (s0.path / "engines").mkdir()
    (s0.path / "engines" / "openvino").write_text("in the way")
    with caplog.at_level(logging.INFO):
        outputs(s0, "openvino")
    assert "the compiled network is not kept" in caplog.text


@NEEDS_OPENVINO
def test_nothing_is_written_into_the_package_or_the_users_home(tmp_path: Path) -> None:
    """OpenVINO's own import leaves an identifier in ~/intel and reports itself."""
    code = (
        "import sys; from lunar_runtime import StereoRuntime\n"
        "StereoRuntime.load(backend='openvino').close()\n"
        "assert 'openvino' in sys.modules and 'openvino_telemetry' not in sys.modules"
    )
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=home, check=True)
    assert list(tmp_path.iterdir()) == []
    assert not (default_bundle_path() / "engines").exists()
