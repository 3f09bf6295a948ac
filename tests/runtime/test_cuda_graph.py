"""What is said when work cannot be captured as a CUDA graph.

The driver is a few lines of C that end a capture as CUDA documents it for one that was broken off.
They stand for no GPU: nothing is captured, and nothing is launched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

# cuStreamEndCapture fails with CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901, and gives no graph.
DRIVER = """
#include <stdio.h>
int cuStreamBeginCapture_v2(void *stream, int mode) { puts("begin"); return 0; }
int cuStreamEndCapture(void *stream, void **graph) { puts("end"); *graph = 0; return 901; }
int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) { return 1; }
int cuGraphLaunch(void *made, void *stream) { return 1; }
int cuGraphExecDestroy(void *made) { return 1; }
int cuGraphDestroy(void *graph) { puts("destroy"); return 1; }
"""
CAPTURE = """
import sys
from lunar_runtime.backends.tensorrt.cuda_graph import CudaGraph
from lunar_runtime.errors import BackendError

def enqueue():
    if sys.argv[1] == "fails":
        raise BackendError("tensorrt 10.3.0 cannot run (the cause)")

try:
    CudaGraph(1, enqueue)
except BackendError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], set[str]]:
    """Capture work that fails or not; what the driver was called for, and the error."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here to compile the driver's few lines")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    name = "libcuda.so.1"
    command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", name, "driver.c"]
    subprocess.run(command, check=True, cwd=folder)

    def run(work: str) -> set[str]:
        process = subprocess.run(
            [sys.executable, "-c", CAPTURE, work],
            env={
                **os.environ,
                "LD_LIBRARY_PATH": str(folder),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return set(process.stdout.splitlines())

    return run


def test_why_the_work_failed_is_said_and_the_stream_captures_no_longer(
    capture: Callable[[str], set[str]],
) -> None:
    assert capture("fails") == {"begin", "end", "tensorrt 10.3.0 cannot run (the cause)"}


def test_a_capture_that_the_driver_gives_up_is_the_drivers_error(
    capture: Callable[[str], set[str]],
) -> None:
    assert capture("works") == {
        "begin",
        "end",
        "cuStreamEndCapture failed (CUDA error 901); build the engine again with lunar-engine "
        "--no-cuda-graph --overwrite",
    }
