"""ONNX Runtime on real graphs; what it cannot load or run is said, never passed over."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend
from lunar_runtime.backends.onnxruntime_library import waiting
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.manifest import Manifest
from lunar_runtime.errors import BackendError, BundleError, UsageError

from .plane_scene import Outputs, PlaneScene


@pytest.fixture(scope="module")
def left(bundles: dict[str, Path]) -> Bundle:
    return Bundle.open(bundles["left"])


def test_a_backend_gives_the_graphs_outputs(left: Bundle, scene: PlaneScene) -> None:
    backend = select_backend(left, threads=1)
    image = np.zeros((1, 1, 64, 64), np.uint8)
    outputs = backend.run(image, image)
    assert list(outputs) == ["pointmap_left", "confidence_left"]
    np.testing.assert_array_equal(
        outputs["pointmap_left"][0], scene.pointmap_left().astype(np.float32)
    )
    assert backend.name.startswith("onnxruntime 1.")
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.run(image, image)


def test_outputs_do_not_hold_the_librarys_memory(left: Bundle) -> None:
    image = np.zeros((1, 1, 64, 64), np.uint8)
    outputs = select_backend(left, threads=1).run(image, image)
    assert all(values.flags.owndata for values in outputs.values())


@pytest.mark.parametrize(
    "choice",
    [
        {"backend": "tflite"},
        {"device": "tpu"},
        {"threads": 0},
        {"threads": -1},
        {"backend": "tensorrt", "device": "cpu"},
    ],
)
def test_a_choice_that_does_not_exist_is_wrong_usage(left: Bundle, choice: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        select_backend(left, **choice)


@pytest.mark.parametrize("name", ["auto", "onnxruntime"])
def test_every_backend_for_the_cpu_loads(left: Bundle, name: str) -> None:
    select_backend(left, name, "cpu", 1).close()


@pytest.mark.skipif(usable_cores() < 2, reason="one core: no thread waits for another")
def test_onnx_runtimes_threads_sleep_soon_after_a_pair() -> None:
    backend = select_backend(Bundle.open(default_bundle_path()), "onnxruntime", "cpu", 2)
    image = np.zeros((1, 1, 256, 256), np.uint8)
    spent = []
    for _ in range(3):
        backend.run(image, image)
        before = time.process_time()
        time.sleep(0.1)
        spent.append(time.process_time() - before)
    assert min(spent) < 2e-3  # s; by default they look for work for tens of milliseconds


@pytest.mark.parametrize(
    ("version", "settings"),
    [
        ("1.25.1", {"session.intra_op.allow_spinning": "0"}),
        (
            "1.32.0",
            {
                "session.intra_op.allow_spinning": "1",
                "session.intra_op.spin_duration_us": "20",
            },
        ),
    ],
)
def test_threads_look_for_work_only_where_the_time_for_it_can_be_limited(
    version: str, settings: dict[str, str]
) -> None:
    assert waiting(SimpleNamespace(__version__=version)) == settings


def test_a_session_is_told_how_its_threads_wait(left: Bundle) -> None:
    import onnxruntime

    backend = select_backend(left, "onnxruntime", "cpu", 1)
    assert isinstance(backend, OnnxRuntimeBackend)
    assert backend._loaded is not None
    options = backend._loaded.session.get_session_options()
    for name, value in waiting(onnxruntime).items():
        assert options.get_session_config_entry(name) == value


def test_cuda_that_is_asked_for_and_missing_is_an_error_never_a_cpu_run(left: Bundle) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime was built for CUDA")
    for name in ("auto", "onnxruntime"):
        with pytest.raises(BackendError, match=r"device cuda: .* without CUDAExecutionProvider"):
            select_backend(left, name, "cuda")


def test_a_failing_run_is_a_backend_error(left: Bundle) -> None:
    backend = select_backend(left, threads=1)
    with pytest.raises(BackendError, match=r"^onnxruntime .* failed on cpu: "):
        backend.run(np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 1, 8, 8), np.uint8))


def spoil(
    folder: Path, source: Path, manifest: Manifest, change: Callable[[onnx.GraphProto], None]
) -> Bundle:
    """A bundle whose manifest does not know of `change` to the graph."""
    model = onnx.load(source / "model.onnx")
    change(model.graph)
    golden = (source / "golden.npz").read_bytes()
    files = {"model.onnx": model.SerializeToString(), "golden.npz": golden}
    return write_bundle(folder, manifest, files)


def rename_output(graph: onnx.GraphProto) -> None:
    graph.node[-1].output[0] = graph.output[1].name = "certainty"


def rename_input(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        node.input[:] = ["links" if name == "left" else name for name in node.input]
    graph.input[0].name = "links"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rename_input, "the graph has no input left"),
        (rename_output, "the graph has no output confidence_left"),
    ],
)
def test_a_graph_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path,
    bundles: dict[str, Path],
    make_manifest: Callable[..., Manifest],
    change: Callable[[onnx.GraphProto], None],
    reason: str,
) -> None:
    bundle = spoil(tmp_path / "b", bundles["left"], make_manifest("left"), change)
    with pytest.raises(BundleError, match=reason):
        select_backend(bundle, threads=1)


def test_an_operator_that_onnx_runtime_lacks_is_named(
    tmp_path: Path,
    bundles: dict[str, Path],
    make_manifest: Callable[..., Manifest],
    capfd: pytest.CaptureFixture[str],
) -> None:
    def rename(graph: onnx.GraphProto) -> None:
        graph.node[0].op_type = "Teleport"

    bundle = spoil(tmp_path / "b", bundles["left"], make_manifest("left"), rename)
    with pytest.raises(BundleError, match=r"onnxruntime .* cannot load it .*Teleport"):
        select_backend(bundle, threads=1)
    assert capfd.readouterr().err == ""


def test_weights_in_a_file_of_their_own_are_found(
    tmp_path: Path,
    bundles: dict[str, Path],
    make_manifest: Callable[..., Manifest],
    make_outputs: Callable[..., Outputs],
    scene: PlaneScene,
) -> None:
    """As for models of over 2 GB."""
    model = onnx.load(bundles["left"] / "model.onnx")
    onnx.save(
        model, tmp_path / "model.onnx", save_as_external_data=True, location="model.onnx.data"
    )
    assert (tmp_path / "model.onnx.data").stat().st_size > 64 * 64 * 3 * 4
    files = {name: tmp_path / name for name in ("model.onnx", "model.onnx.data")}
    files["golden.npz"] = bundles["left"] / "golden.npz"
    bundle = write_bundle(tmp_path / "b", make_manifest("left"), files)
    for name in ("model.onnx", "model.onnx.data"):
        (tmp_path / name).unlink()
    image = np.zeros((1, 1, 64, 64), np.uint8)
    outputs = select_backend(bundle, threads=1).run(image, image)
    expected = make_outputs(scene, "left")["pointmap_left"]
    np.testing.assert_array_equal(outputs["pointmap_left"], expected)
