"""How far a network's parts are from what the machine could do.

A part takes at least its arithmetic at the peak rate of a matrix product, and at least the time
that its weights take through the memory. The longer of the two is its bound. Both peaks are
measured here, on this machine, with the library that runs the network.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import sched_getaffinity

import numpy as np
import onnx
import onnxruntime
from lunar_runtime import Bundle
from lunar_runtime.errors import BackendError
from onnx import TensorProto, helper

from lunar_bench.cost.graph_cost import read_graph
from lunar_bench.cost.part_times import measure_part_times
from lunar_bench.record.run_record import PartCost, Peaks

_GEMM_SIDE = 2048  # 17 GFLOP; larger gains nothing on a CPU
_CUDA_SIDE = 8192
_COPY_BYTES = 256 << 20  # beyond every cache
_LEAST_SECONDS = 1.0
_OPSET = 17


def measure_peaks(device: str, threads: int | None) -> Peaks:
    """The best of a second's worth of large matrix products, and of copies.

    Args:
        device: `cpu` or `cuda`.
        threads: CPU threads; None = all processors.

    Raises:
        BackendError: On `cuda`, PyTorch with CUDA is needed and not there.
    """
    if device == "cuda":
        return _cuda_peaks()
    count = threads or len(sched_getaffinity(0))
    flop = 2.0 * _GEMM_SIDE**3
    return Peaks(
        gemm_gflop_per_s={
            name: round(flop / _best(_gemm(name, count)) / 1e9, 1) for name in ("fp32", "int8")
        },
        copy_gb_per_s=round(_copy_rate(count) / 1e9, 2),
        threads=count,
        how=f"onnxruntime {onnxruntime.__version__}, a product of {_GEMM_SIDE} x {_GEMM_SIDE}; a "
        f"copy of {_COPY_BYTES >> 20} MiB by numpy",
    )


def analyse(
    bundle: Bundle,
    backend: str,
    device: str,
    threads: int | None,
    peaks: Peaks | None,
    inference_ms: float | None,
) -> dict[str, PartCost]:
    """Cost, time and bound of every part of a bundle.

    Args:
        bundle: Whose graph.
        backend: That ran it; only ONNX Runtime tells times of nodes.
        device: It ran on.
        threads: CPU threads.
        peaks: Of the machine; None = no bounds.
        inference_ms: Measured time of the whole network: the `total` row's time.
    """
    graph = read_graph(bundle.model_path)
    shares: dict[str, float] = {}
    if backend.startswith("onnxruntime"):
        measured = measure_part_times(bundle, device, threads, graph.part_of)
        # The profiler slows what it watches: its times are taken as shares of the true one.
        total = measured.pop("total", 0.0)
        shares = {part: ms / total for part, ms in measured.items()} if total else {}
    gemm = None if peaks is None else peaks.gemm_gflop_per_s.get(bundle.manifest.precision)
    copy = None if peaks is None else peaks.copy_gb_per_s
    parts = {}
    for part, cost in graph.costs.items():
        ms = None if inference_ms is None or part not in shares else shares[part] * inference_ms
        parts[part] = _part(cost.flops, cost.weight_bytes, cost.activation_bytes, ms, gemm, copy)
    sums = [sum(cost[i] for cost in graph.costs.values()) for i in range(3)]
    parts["total"] = _part(sums[0], sums[1], sums[2], inference_ms, gemm, copy)
    return parts


def _part(
    flops: float,
    weights: float,
    activations: float,
    ms: float | None,
    gemm: float | None,
    copy: float | None,
) -> PartCost:
    bound = None if gemm is None or copy is None else max(flops / gemm, weights / copy) / 1e6
    return PartCost(
        gflop=round(flops / 1e9, 3),
        weight_mb=round(weights / 1e6, 3),
        activation_mb=round(activations / 1e6, 3),
        time_ms=None if ms is None else round(ms, 3),
        bound_ms=None if bound is None else round(bound, 3),
        gflop_per_s=None if not ms or not flops else round(flops / ms / 1e6, 2),
        of_peak=None if not bound or not ms else round(bound / ms, 4),
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
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    a = rng.integers(0, 8, (side, side)).astype(dtypes[0])
    return lambda: session.run(None, {"a": a})


def _copy_rate(threads: int) -> float:
    source = np.ones(_COPY_BYTES, np.uint8)
    target = np.zeros_like(source)
    bounds = np.linspace(0, _COPY_BYTES, threads + 1).astype(int)
    parts = [slice(begin, end) for begin, end in itertools.pairwise(bounds)]
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

        return 2.0 * _COPY_BYTES / _best(copy)  # read and written


def _best(work: Callable[[], object]) -> float:
    work()
    best, end = np.inf, time.perf_counter() + _LEAST_SECONDS
    while time.perf_counter() < end:
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return float(best)


def _cuda_peaks() -> Peaks:
    try:
        import torch
    except ImportError as error:
        raise BackendError(
            "the peaks of a GPU are measured with PyTorch, which is missing"
        ) from error
    if not torch.cuda.is_available():
        raise BackendError("the peaks of a GPU are measured with PyTorch, which finds no CUDA")

    def timed(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            work()
            torch.cuda.synchronize()

        return run

    torch.backends.cuda.matmul.allow_tf32 = False
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        a = torch.ones(_CUDA_SIDE, _CUDA_SIDE, device="cuda", dtype=dtype)
        seconds = _best(timed(lambda a=a: a @ a))  # type: ignore[misc]
        rates[name] = round(2.0 * _CUDA_SIDE**3 / seconds / 1e9, 1)
    source = torch.ones(_COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    seconds = _best(timed(lambda: target.copy_(source)))
    return Peaks(
        gemm_gflop_per_s=rates,
        copy_gb_per_s=round(2.0 * _COPY_BYTES / seconds / 1e9, 1),
        threads=torch.get_num_threads(),
        how=f"torch {torch.__version__}, a product of {_CUDA_SIDE} x {_CUDA_SIDE} without TF32; a "
        f"copy of {_COPY_BYTES >> 20} MiB on the device",
    )
