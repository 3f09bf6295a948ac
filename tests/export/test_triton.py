"""Triton model repositories, held to the schema that Triton's own client carries."""

from __future__ import annotations

import importlib.util
import math
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from lunar_export.commands.export import main
from lunar_export.deploy.triton import add_to_repository, render
from lunar_runtime.backends.tensorrt.gpu import open_gpu
from lunar_runtime.backends.tensorrt.store import StoredEngine, find_engine
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.errors import BackendError, OutputError, UsageError
from runtime.released_packages import released
from runtime.test_engine_store import ORIN
from runtime.test_engine_store import store as store_engine

CLIENT = "2.73.0"

store: Callable[..., object] = store_engine


@pytest.fixture(scope="session")
def schema(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Triton's model_config.proto, compiled, from its Python client."""
    wheel = released(request.config.cache, "tritonclient", CLIENT)
    folder = tmp_path_factory.mktemp("triton")
    with zipfile.ZipFile(wheel) as archive:
        path = archive.extract("tritonclient/grpc/model_config_pb2.py", folder)
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def packaged() -> Bundle:
    return Bundle.open(default_bundle_path())


@pytest.fixture
def served(tmp_path: Path) -> tuple[Bundle, StoredEngine]:
    """A bundle of a test's own, with an engine that no test runs."""
    shutil.copytree(default_bundle_path(), tmp_path / "bundle")
    bundle = Bundle.open(tmp_path / "bundle")
    store(bundle)
    engine = find_engine(bundle, "tensorrt", "10.3.0", ORIN)
    assert engine is not None
    return bundle, engine


def read(schema: Any, folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())


def test_an_onnx_model_is_valid_and_complete(schema: Any, packaged: Bundle, tmp_path: Path) -> None:
    folder = add_to_repository(packaged, tmp_path / "models", instances=2)
    config = read(schema, folder)
    assert config.name == folder.name == "lunar_s0_both_fp32"
    assert (config.backend, config.platform) == ("onnxruntime", "")
    assert (folder / "1" / config.default_model_filename).read_bytes() == (
        packaged.model_path.read_bytes()
    )
    (group,) = config.instance_group
    assert (group.count, group.kind) == (2, schema.ModelInstanceGroup.KIND_AUTO)
    parameters = {key: value.string_value for key, value in config.parameters.items()}
    assert parameters["bundle_sha256"] == packaged.digest


def test_tensors_are_the_graphs_with_the_batch_axis_since_triton_may_not_add_one(
    schema: Any, packaged: Bundle, tmp_path: Path
) -> None:
    config = read(schema, add_to_repository(packaged, tmp_path))
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    graph = packaged.manifest.graph
    types = {"uint8": schema.TYPE_UINT8, "float32": schema.TYPE_FP32}
    for found, records in ((config.input, graph.inputs), (config.output, graph.outputs)):
        assert [(t.name, t.data_type, tuple(t.dims)) for t in found] == [
            (r.name, types[r.dtype], r.shape) for r in records
        ]


def test_the_golden_pair_warms_it_up(schema: Any, packaged: Bundle, tmp_path: Path) -> None:
    folder = add_to_repository(packaged, tmp_path)
    (warmup,) = read(schema, folder).model_warmup
    golden = packaged.golden()
    assert warmup.batch_size == 1
    assert warmup.inputs.keys() == {"left", "right"}
    for name, image in (("left", golden.left), ("right", golden.right)):
        entry = warmup.inputs[name]
        content = (folder / "warmup" / entry.input_data_file).read_bytes()
        assert len(content) == math.prod(entry.dims)
        np.testing.assert_array_equal(np.frombuffer(content, np.uint8), image.ravel())


def test_an_engine_is_served_as_a_plan_on_the_gpu(
    schema: Any, served: tuple[Bundle, StoredEngine], tmp_path: Path
) -> None:
    bundle, engine = served
    folder = add_to_repository(bundle, tmp_path / "models", engine=engine)
    config = read(schema, folder)
    assert (config.backend, config.platform) == ("", "tensorrt_plan")
    assert config.instance_group[0].kind == schema.ModelInstanceGroup.KIND_GPU
    assert (folder / "1" / "model.plan").read_bytes() == bytes(engine.read())
    assert not (folder / "1" / "model.onnx").exists()


def test_an_engine_that_triton_cannot_run_is_refused(
    served: tuple[Bundle, StoredEngine], tmp_path: Path
) -> None:
    bundle, _ = served
    store(bundle, library="tensorrt-rtx", version="1.7.1.116", gpu="any")
    engine = find_engine(bundle, "tensorrt-rtx", "1.7.1.116", ORIN)
    with pytest.raises(UsageError, match="Triton runs TensorRT's engines, not those of"):
        add_to_repository(bundle, tmp_path / "models", engine=engine)
    assert not (tmp_path / "models").exists()


def test_a_model_that_is_there_is_not_replaced_unasked(packaged: Bundle, tmp_path: Path) -> None:
    folder = add_to_repository(packaged, tmp_path)
    before = (folder / "config.pbtxt").read_text()
    with pytest.raises(OutputError, match="exists already"):
        add_to_repository(packaged, tmp_path, instances=3)
    assert (folder / "config.pbtxt").read_text() == before
    add_to_repository(packaged, tmp_path, instances=3, overwrite=True)
    assert "count: 3" in (folder / "config.pbtxt").read_text()


def test_no_instance_is_wrong_usage(packaged: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`instances` 0: needs to be 1 or more"):
        add_to_repository(packaged, tmp_path, instances=0)


def test_text_is_escaped(schema: Any) -> None:
    text = render({"name": 'a "quoted"\\ name\nof two lines', "max_batch_size": 3})
    config = text_format.Parse(text, schema.ModelConfig())
    assert config.name == 'a "quoted"\\ name\nof two lines'
    assert config.max_batch_size == 3


def test_the_schema_refuses_what_it_does_not_know(schema: Any) -> None:
    with pytest.raises(text_format.ParseError):
        text_format.Parse(render({"max_batch_sise": 3}), schema.ModelConfig())


def test_an_engine_that_is_required_and_cannot_be_built_stops_before_the_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: Path
) -> None:
    try:
        open_gpu()
    except BackendError:
        pass
    else:
        pytest.skip("this machine has a GPU")
    out = tmp_path / "bundle"
    with pytest.raises(SystemExit) as stopped:
        main(["--ckpt", str(checkpoint), "--out", str(out), "--engine", "require"])
    assert stopped.value.code == 4
    assert capsys.readouterr().err.startswith("lunar-export: ")
    assert not out.exists()
