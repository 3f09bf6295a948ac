"""What this machine reaches at best: large matrix products and large copies."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
from lunar_runtime.errors import BackendError
from onnx import TensorProto, helper

from lunar_bench.cost.plain_session import open_plain_session
from lunar_bench.record.arithmetic import Peaks
from lunar_bench.sensors.machine import usable_cores

_GEMM_SIDE = 2048  # 17 GFLOP; larger gains nothing on a CPU
_CUDA_SIDE = 8192
_COPY_BYTES = 256 << 20  # beyond every cache
_OPSET = 17


def measure_peaks(device: str, threads: int | None, seconds: float = 1.0) -> Peaks:
    """The best of a second's worth of large matrix products, and of copies.

    Args:
        device: `cpu` or `cuda`.
        threads: CPU threads; None = all processors.
        seconds: For each peak.

    Raises:
        BackendError: On `cuda`, PyTorch with CUDA is needed and not there.
    """
    if device == "cuda":
        return _cuda_peaks(seconds)
    count = threads or usable_cores()
    flop = 2.0 * _GEMM_SIDE**3
    return Peaks(
        gemm_gflop_per_s={
            name: round(flop / _best(_gemm(name, count), seconds) / 1e9, 1)
            for name in ("fp32", "int8")
        },
        copy_gb_per_s=round(_copy_rate(count, seconds) / 1e9, 2),
        threads=count,
        how=f"onnxruntime {onnxruntime.__version__}, a product of {_GEMM_SIDE} x {_GEMM_SIDE}; a "
        f"copy of {_COPY_BYTES >> 20} MiB by numpy",
    )


def _gemm(precision: str, threads: int) -> Callable[[], object]:
    side, kinds = _GEMM_SIDE, (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.FLOAT)
    operator, dtypes = "MatMul", (np.float32, np.float32)
    if precision == "int8":
        # Unsigned by signed: what quantised graphs use and CPUs have instructions for.
        kinds = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32)
        operator, dtypes = "MatMulInteger", (np.uint8, np.int8)  # type: ignore[assignment]
    rng = np.random.default_rng(0)
    # Weights are constant in a network, and packed in advance.
    weight = rng.integers(-8, 8, (side, side)).astype(dtypes[1])
    tensors = [
        helper.make_tensor_value_info(name, kind, [side, side])
        for name, kind in (("a", kinds[0]), ("c", kinds[2]))
    ]
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["c"])],
        "gemm",
        tensors[:1],
        tensors[1:],
        [helper.make_tensor("b", kinds[1], [side, side], weight.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    session = open_plain_session(model.SerializeToString(), "cpu", threads)
    a = rng.integers(0, 8, (side, side)).astype(dtypes[0])
    return lambda: session.run(None, {"a": a})


def _copy_rate(threads: int, seconds: float) -> float:
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.zeros_like(source)
    bounds = np.linspace(0, _COPY_BYTES, threads + 1).astype(int)
    parts = [slice(begin, end) for begin, end in itertools.pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

        return 2.0 * _COPY_BYTES / _best(copy, seconds)  # read and written


def _best(work: Callable[[], object], seconds: float) -> float:
    work()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return float(best)


def _cuda_peaks(seconds: float) -> Peaks:
    try:
        import torch
    except ImportError as error:
        raise BackendError(
            "the peaks of a GPU are measured with PyTorch, which is missing"
        ) from error
    if not torch.cuda.is_available():
        raise BackendError("the peaks of a GPU are measured with PyTorch, which finds no CUDA")

    def synchronised(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            work()
            torch.cuda.synchronize()

        return run

    torch.backends.cuda.matmul.allow_tf32 = False
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        a = torch.ones(_CUDA_SIDE, _CUDA_SIDE, device="cuda", dtype=dtype)
        best = _best(synchronised(lambda a=a: a @ a), seconds)  # type: ignore[misc]
        rates[name] = round(2.0 * _CUDA_SIDE**3 / best / 1e9, 1)
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    best = _best(synchronised(lambda: target.copy_(source)), seconds)
    return Peaks(
        gemm_gflop_per_s=rates,
        copy_gb_per_s=round(2.0 * _COPY_BYTES / best / 1e9, 1),
        threads=torch.get_num_threads(),
        how=f"torch {torch.__version__}, a product of {_CUDA_SIDE} x {_CUDA_SIDE} without TF32; a "
        f"copy of {_COPY_BYTES >> 20} MiB on the device",
    )
