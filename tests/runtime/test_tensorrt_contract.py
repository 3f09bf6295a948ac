"""Everything that the code touches of TensorRT, pycuda and CUDA exists in their releases.

What is touched is read from the source: mypy allows the code only what the protocols declare, and
the protocols' members are held to the real bindings, which import on a CPU once a few stub symbols
stand for the libraries behind them. Nothing is run with them.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import lunar_runtime
import pytest
from lunar_runtime.backends.tensorrt import cuda_graph

from .released_packages import Release, fetch_together, released

RUNTIME = Path(lunar_runtime.__file__).parent
BINDINGS = RUNTIME / "backends" / "tensorrt" / "bindings"

# JetPack 6.2, JetPack 7.2, and the newest.
TENSORRT = {
    "10.3.0": ("tensorrt-cu12-bindings", "10"),
    "10.16.1.11": ("tensorrt-cu13-bindings", "10"),
    "11.4.0.106": ("tensorrt-cu13-bindings", "11"),
}
PYCUDA = ("2024.1", "2026.1")
CUDA = Release("nvidia-cuda-runtime-cu12", "12.6.77")
SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
DUMP = """
import json, sys
sys.path.insert(0, sys.argv[1])
import tensorrt
names = {n: dir(getattr(tensorrt, n)) for n in dir(tensorrt)}
json.dump(names, sys.stdout)
"""


def classes(path: Path) -> dict[str, set[str]]:
    """Per class of a file, the names that its body declares."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            functions = {
                n.name
                for n in node.body
                if isinstance(n, ast.FunctionDef) and not n.name.startswith("__")
            }
            values = {
                n.target.id
                for n in node.body
                if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            }
            found[node.name] = functions | values
    return found


OBJECTS = classes(BINDINGS / "objects.py")
MODULE = classes(BINDINGS / "module.py")["TensorRT"]
RTX = classes(BINDINGS / "rtx_objects.py")
ENUMERATION = OBJECTS.pop("Enumerator")

#: Per name of a module, the names of its members.
Names = dict[str, list[str]]


def missing(names: Names, objects: dict[str, set[str]]) -> list[str]:
    lacks = [f"{c}" for c in objects if c not in names]
    lacks += [f"{c}.{m}" for c in objects for m in objects[c] if m not in names.get(c, ())]
    lacks += [f"{e}.{m}" for e in ("BuilderFlag", "DataType") for m in ENUMERATION - set(names[e])]
    return sorted(lacks)


@pytest.fixture(scope="module", autouse=True)
def releases(request: pytest.FixtureRequest) -> None:
    tensorrt = [Release(package, version) for version, (package, _) in TENSORRT.items()]
    pycuda = [Release("pycuda", version, ":none:") for version in PYCUDA]
    fetch_together(request.config.cache, [*tensorrt, *pycuda, CUDA])


@pytest.fixture(params=TENSORRT)
def bindings(request: pytest.FixtureRequest, tmp_path: Path) -> Names:
    """Names in the bindings of one version of TensorRT."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here to compile the stub symbols")
    package, soname = TENSORRT[request.param]
    wheel = released(request.config.cache, package, request.param)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    source = tmp_path / "stub.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in SYMBOLS))
    for library in ("nvinfer", "nvonnxparser", "nvinfer_plugin"):
        name = f"lib{library}.so.{soname}"
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", name, "stub.c"]
        subprocess.run(command, check=True, cwd=tmp_path)
    process = subprocess.run(
        [sys.executable, "-c", DUMP, str(tmp_path / "tensorrt_bindings")],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    names: Names = json.loads(process.stdout)
    # The package around the extension module adds these two in Python.
    init = (tmp_path / "tensorrt_bindings" / "__init__.py").read_text()
    for name in ("__version__", "nptype"):
        assert re.search(rf"^(def )?{name}\b", init, re.MULTILINE)
        names[name] = []
    return names


def test_the_protocols_declare_something() -> None:
    assert {"Builder", "IExecutionContext", "BuilderFlag"} <= OBJECTS.keys()
    assert {"execute_async_v3", "set_tensor_address"} == OBJECTS["IExecutionContext"]
    assert {"Builder", "nptype", "__version__"} <= MODULE


def test_all_that_is_touched_exists_in_tensorrt(bindings: Names) -> None:
    assert missing(bindings, OBJECTS) == []
    assert sorted(MODULE - bindings.keys()) == []


def test_a_name_that_left_tensorrt_is_found_missing(bindings: Names) -> None:
    gone = {"BuilderFlag": {"FP16_OF_YESTERDAY"}, "ICalibrator": set()}
    assert missing(bindings, gone) == ["BuilderFlag.FP16_OF_YESTERDAY", "ICalibrator"]


def test_all_that_is_touched_exists_in_tensorrt_rtx() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    names = {name: dir(getattr(trt, name)) for name in dir(trt)}
    objects = {name: members for name, members in RTX.items() if name != "TensorRTRTX"}
    assert missing(names, OBJECTS) == []
    assert missing(names, objects) == []
    assert sorted((MODULE | RTX["TensorRTRTX"]) - names.keys()) == []


def test_nothing_reaches_tensorrt_around_the_protocols() -> None:
    """No import of the libraries but the one that gives them their types, and no getattr on one."""
    modules = ("tensorrt", "tensorrt_rtx", "pycuda")
    for path in [*(RUNTIME / "backends").rglob("*.py"), *(RUNTIME / "engine_tool").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported = [node.module or ""]
            else:
                imported = []
            assert not [n for n in imported if n.split(".")[0] in modules], path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert not (node.func.id == "getattr" and "trt" in ast.dump(node.args[0])), path


@pytest.fixture(params=PYCUDA)
def pycuda_source(request: pytest.FixtureRequest) -> str:
    """The C++ and Python of a release of pycuda, comments and all."""
    archive = released(request.config.cache, "pycuda", request.param, ":none:")
    with tarfile.open(archive) as files:
        names = [n for n in files.getnames() if n.endswith(("wrap_cudadrv.cpp", "/cuda.hpp"))]
        streams = [files.extractfile(name) for name in names]
        return "".join(stream.read().decode() for stream in streams if stream)


def test_all_that_is_touched_exists_in_pycuda(pycuda_source: str) -> None:
    """Exposed by Boost.Python under that name, in one of its ways of saying so."""
    touched = classes(BINDINGS / "pycuda_driver.py")
    for owner, members in touched.items():
        for name in members:
            exposed = (
                rf'def\("{name}"|add_property\("{name}"|\.value\("{name}"|attr\("{name}"'
                rf'|DEF_SIMPLE_(?:RO_MEMBER|METHOD|FUNCTION)\({name}\)|class_<[^"]*?>\s*\w*\("{name}"'
                rf'|enum_<[^"]*>\("{name}"|DECLARE_EXC\({name},'
            )
            assert re.search(exposed, pycuda_source), f"{owner}.{name}"


def test_the_drivers_functions_are_as_cuda_declares_them(request: pytest.FixtureRequest) -> None:
    wheel = released(request.config.cache, *CUDA)
    with zipfile.ZipFile(wheel) as archive:
        header = archive.read("nvidia/cuda_runtime/include/cuda.h").decode()
    for name, arguments in cuda_graph._PROTOTYPES.items():
        # cuda.h declares most functions under a name that a macro turns into the symbol's.
        macro = re.search(rf"#define (\w+)\s+(?:__CUDA_API_PTSZ\()?{name}\)?\s*$", header, re.M)
        public = macro[1] if macro else name
        declared = re.search(rf"CUresult CUDAAPI {public}\(([^)]*)\);", header)
        assert declared, name
        assert len(declared[1].split(",")) == len(arguments), name
