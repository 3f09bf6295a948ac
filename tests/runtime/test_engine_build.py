"""Real builds with TensorRT-RTX, which needs no GPU to build; nothing here runs an engine."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from lunar_runtime.backends.tensorrt.libraries import Library, import_library
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.engine_tool.build import BuildOptions, BuiltEngine, build_engine, rtx_classes
from lunar_runtime.errors import BackendError, BundleError

from .convolutions import convolving_model

WORKSPACE = 1 << 30


@pytest.fixture(scope="module")
def library() -> Library:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    return import_library("tensorrt-rtx")


class Heard:
    """A listener that keeps what it heard."""

    def __init__(self, stop_in: str | None = None) -> None:
        self.cancelled = False
        self.stop_in = stop_in
        self.phases: dict[str, list[int]] = {}
        self.open: set[str] = set()

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        assert parent is None or parent in self.open
        self.open.add(phase)
        self.phases.setdefault(phase, [])
        self.cancelled |= phase == self.stop_in

    def step(self, phase: str, step: int) -> None:
        self.phases[phase].append(step)

    def end(self, phase: str) -> None:
        self.open.remove(phase)


@pytest.fixture(scope="module")
def packaged() -> Bundle:
    return Bundle.open(default_bundle_path())


@pytest.fixture(scope="module")
def built(library: Library, packaged: Bundle) -> tuple[BuiltEngine, Heard]:
    heard = Heard()
    return build_engine(library, packaged.model_path, BuildOptions(WORKSPACE), b"", heard), heard


def test_the_packaged_student_builds_and_describes_itself(
    built: tuple[BuiltEngine, Heard], packaged: Bundle
) -> None:
    engine, _ = built
    weights = packaged.manifest.files["model.onnx"].bytes
    assert engine.plan.nbytes > 0.9 * weights
    assert engine.weights_bytes == pytest.approx(weights, rel=0.1)
    assert engine.activations_bytes
    assert engine.description.precisions().keys() == {"fp32"}
    assert len(engine.description.layers) > 100


def test_the_builder_reports_its_progress(built: tuple[BuiltEngine, Heard]) -> None:
    _, heard = built
    assert heard.phases["Building engine"]
    assert heard.open == set()


def test_a_build_that_is_told_to_stop_stops(library: Library, packaged: Bundle) -> None:
    heard = Heard(stop_in="Optimizing graph")
    with pytest.raises(KeyboardInterrupt):
        build_engine(library, packaged.model_path, BuildOptions(WORKSPACE), b"", heard)


@pytest.mark.parametrize(
    ("workspace", "reason"),
    [
        # How much is needed is the library's business.
        (8 << 20, r"needs \d+ MiB of workspace .* given 8; give it more"),
        (1 << 20, r"no kernel for a layer within 1 MiB of workspace .*; give it more"),
    ],
)
def test_too_little_workspace_says_how_much_there_was(
    library: Library, tmp_path: Path, workspace: int, reason: str
) -> None:
    onnx.save(convolving_model(size=64, channels=16), tmp_path / "model.onnx")
    with pytest.raises(BackendError, match=reason):
        build_engine(library, tmp_path / "model.onnx", BuildOptions(workspace))


def test_an_operator_it_lacks_is_named_with_its_node(
    library: Library, tmp_path: Path, bundles: dict[str, Path]
) -> None:
    model = onnx.load(bundles["left"] / "model.onnx")
    model.graph.node[0].op_type, model.graph.node[0].name = "Teleport", "beam/Teleport"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(BundleError, match=r"node beam/Teleport, operator Teleport: .*lunar-export"):
        build_engine(library, tmp_path / "model.onnx", BuildOptions(WORKSPACE))


def test_a_file_that_is_no_graph_is_refused(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a protocol buffer" * 10)
    with pytest.raises(BundleError, match=r"model\.onnx: tensorrt-rtx .* cannot read it"):
        build_engine(library, path, BuildOptions(WORKSPACE))


def test_gpus_it_cannot_build_for_are_refused(library: Library, bundles: dict[str, Path]) -> None:
    assert (8, 9) in rtx_classes(library)
    assert (12, 0) in rtx_classes(library)
    options = BuildOptions(WORKSPACE, compute_capabilities=((8, 7),))
    with pytest.raises(BackendError, match=r"cannot build for compute capability 8\.7, only for"):
        build_engine(library, bundles["left"] / "model.onnx", options)
