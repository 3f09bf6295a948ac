"""`lunar-engine` as it is used on a machine without a GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.tensorrt.gpu import Gpu, open_gpu
from lunar_runtime.backends.tensorrt.libraries import import_library
from lunar_runtime.backends.tensorrt.store import find_engine
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.manifest import Manifest
from lunar_runtime.commands.engine import main
from lunar_runtime.errors import BackendError
from onnx import numpy_helper

from .convolutions import convolving_model
from .outcomes import Outcome, run_main
from .split_plane import write_split_plane

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed"
)


def gpu_is_missing() -> bool:
    try:
        open_gpu()
    except BackendError:
        return True
    return False


needs_no_gpu = pytest.mark.skipif(not gpu_is_missing(), reason="this machine has a GPU")


@pytest.fixture
def engine(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run lunar-engine in this process."""

    def run(*arguments: object) -> Outcome:
        return run_main(main, arguments, capfd)

    return run


@needs_rtx
@needs_no_gpu
def test_an_engine_is_built_for_others_and_says_that_it_was_not_run(
    engine: Callable[..., Outcome], bundle: Path
) -> None:
    code, out, err = engine(bundle, "--library", "tensorrt-rtx")
    assert code == 0, err
    assert "golden   not run: no GPU here can run this engine" in out
    (record_path,) = (bundle / "engines").glob("*.json")
    record = json.loads(record_path.read_text())
    assert record["golden"] is None
    assert record["described_by"] == "builder"
    assert [8, 9] in record["key"]["compute_capabilities"]
    assert record["bytes"] == record_path.with_suffix(".plan").stat().st_size
    assert engine(bundle)[0] == 3  # exists already
    assert engine(bundle, "--overwrite", "--json")[0] == 0
    Bundle.open(bundle)


@needs_rtx
@needs_no_gpu
def test_asked_for_it_is_an_error_by_itself_a_warning(
    engine: Callable[..., Outcome], bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert engine(bundle)[0] == 0
    opened = Bundle.open(bundle)
    with pytest.raises(BackendError, match=r"pycuda|driver|GPU"):
        select_backend(opened, "tensorrt-rtx")
    backend = select_backend(opened, threads=1)
    assert backend.name.startswith("onnxruntime")
    assert "running on ONNX Runtime instead" in caplog.text


@needs_rtx
@needs_no_gpu
def test_of_a_network_in_two_graphs_both_become_engines(
    engine: Callable[..., Outcome], tmp_path: Path
) -> None:
    bundle = write_split_plane(tmp_path / "split")
    code, out, err = engine(bundle, "--library", "tensorrt-rtx", "--json")
    assert code == 0, err
    parts = {part.part: part for part in Bundle.open(bundle).parts}
    gpu = Gpu("any Ada", (8, 9), integrated=False)
    for name, part in parts.items():
        stored = find_engine(part, "tensorrt-rtx", import_library("tensorrt-rtx").version, gpu)
        assert stored.path.stem.endswith(f"-{name}")
        assert stored.read()
        tensors = {t.name for t in stored.record.description.tensors}
        graph = part.manifest.graph
        assert tensors == {t.name for t in (*graph.inputs, *graph.outputs)}
    assert out.count('"plan"') == 2
    assert engine(bundle)[0] == 3  # both exist already
    (bundle / "engines").joinpath(stored.path.name).unlink()
    assert engine(bundle)[0] == 3  # one does
    assert select_backend(Bundle.open(bundle), threads=1).name.startswith("onnxruntime")


@needs_rtx
def test_a_lower_precision_made_for_a_cpu_is_exit_3(
    engine: Callable[..., Outcome], tmp_path: Path
) -> None:
    real = Bundle.open(default_bundle_path())
    manifest = msgspec.structs.replace(real.manifest, precision="fp16", target="cpu", files={})
    bundle = write_bundle(
        tmp_path / "b", manifest, {name: real.path / name for name in real.manifest.files}
    )
    code, _, err = engine(bundle.path, "--library", "tensorrt-rtx")
    assert (code, err) == (
        3,
        f"lunar-engine: {bundle.path}: its fp16 graph is made for ONNX Runtime on a CPU; export "
        "the student again with `lunar-export --precision fp16 --target tensorrt`\n",
    )


@needs_rtx
def test_a_precision_that_is_only_claimed_is_exit_5(
    engine: Callable[..., Outcome],
    tmp_path: Path,
    bundles: dict[str, Path],
    make_manifest: Callable[..., Manifest],
) -> None:
    manifest = make_manifest("left", precision="fp16", target="tensorrt")
    model = convolving_model(size=64, channels=16)
    # What the reader of the graph can see, and no layer computes with.
    model.graph.initializer.append(numpy_helper.from_array(np.float16(1), "unread"))
    content = model.SerializeToString()
    files = {"model.onnx": content, "golden.npz": bundles["left"] / "golden.npz"}
    claimed = write_bundle(tmp_path / "bundle", manifest, files).path
    code, _, err = engine(claimed, "--library", "tensorrt-rtx")
    assert code == 5
    assert "its precision is fp16, but" in err
    assert re.search(r"run \d+ in fp32;", err)
    assert not (claimed / "engines").exists()


@needs_rtx
def test_what_tensorrt_rtx_has_not_is_wrong_usage(
    engine: Callable[..., Outcome], bundle: Path
) -> None:
    for options in (
        ["--version-compatible"],
        ["--hardware-compatible"],
        ["--timing-cache", bundle / "cache"],
    ):
        code, _, err = engine(bundle, "--library", "tensorrt-rtx", *options)
        assert code == 2
        parameter = str(options[0]).removeprefix("--").replace("-", "_")
        assert err.startswith(f"lunar-engine: {parameter}")
    assert not (bundle / "engines").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--workspace", "much"], 2, "'--workspace': size 'much': give bytes, or as in 512M or 2G"),
        (["--compute-capability", "89"], 2, "'89' is not a compute capability such as 8.9"),
    ],
)
def test_wrong_usage_is_one_line(
    engine: Callable[..., Outcome], bundle: Path, arguments: list[str], code: int, reason: str
) -> None:
    found, out, err = engine(bundle, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lunar-engine: ")
    assert reason in err
    assert err.count("\n") == 1


def test_no_bundle_is_exit_3(engine: Callable[..., Outcome], tmp_path: Path) -> None:
    code, _, err = engine(tmp_path / "none")
    assert code == 3
    assert "no such bundle" in err


@pytest.mark.skipif(
    importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed"
)
def test_tensorrt_that_is_missing_is_exit_4_and_says_how_to_get_it(
    engine: Callable[..., Outcome], bundle: Path
) -> None:
    code, _, err = engine(bundle, "--library", "tensorrt")
    assert code == 4
    assert "tensorrt cannot be imported" in err
    assert "python3-libnvinfer" in err
    assert "pip install tensorrt" in err


@needs_rtx
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_bundle_is_refused_before_the_build(
    engine: Callable[..., Outcome], bundle: Path
) -> None:
    bundle.chmod(0o555)
    code, _, err = engine(bundle, "--library", "tensorrt-rtx")
    bundle.chmod(0o755)
    assert code == 3
    assert "read-only; build the engine in a copy" in err


def test_it_runs_without_what_does_not_fly(bundle: Path) -> None:
    """Up to the point where TensorRT is needed, in a Python that cannot import torch and onnx."""
    blocked = ["torch", "onnx", "onnxsim", "scipy", "matplotlib", "onnxruntime"]
    program = f"""
import sys
for name in {blocked!r}:
    sys.modules[name] = None
from lunar_runtime.commands.engine import main
main(sys.argv[1:])
"""
    command = [sys.executable, "-c", program, str(bundle), "--json"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode in (0, 4), process.stderr
    assert "Traceback" not in process.stderr
