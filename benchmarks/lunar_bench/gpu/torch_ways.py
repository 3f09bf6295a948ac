"""PyTorch's ways of running a network on a GPU, each from images in memory to maps in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from lunar_export.graph.pair_graph import PairGraph
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import Student
from numpy.typing import NDArray
from torch import Tensor

Arrays = dict[str, NDArray[np.float32]]
Run = Callable[[], Arrays]

#: Candidate -> how it is made. FP16 is autocast: weights stay FP32, as a researcher has them.
WAYS = (
    "eager fp32",
    "eager fp16",
    "torch.compile fp32",
    "torch.compile fp16",
    "cuda graph fp32",
    "cuda graph fp16",
)


def make_torch(
    way: str,
    student: Student,
    outputs: OutputSet,
    left: NDArray[np.uint8],
    right: NDArray[np.uint8],
    device: str,
) -> Run:
    """Load a network and return what runs it once.

    Args:
        way: One of `WAYS`.
        student: Its weights; not changed.
        outputs: What to compute.
        left: (1, 1, H, W).
        right: The same.
        device: `cuda` or `cpu`.

    Raises:
        RuntimeError: PyTorch's own, where it cannot.
    """
    height, width = left.shape[2:]
    graph = PairGraph(student, height, width, outputs).to(device)
    names = graph.names
    host = [torch.from_numpy(image) for image in (left, right)]
    if device == "cuda":
        host = [image.pin_memory() for image in host]
    half = way.endswith("fp16")

    def precision() -> AbstractContextManager[object]:
        return torch.autocast(device, torch.float16) if half else nullcontext()

    def call(images: list[Tensor]) -> tuple[Tensor, ...]:
        with torch.inference_mode(), precision():
            return tuple(compiled(*images))

    compiled = torch.compile(graph) if way.startswith("torch.compile") else graph
    if way.startswith("cuda graph"):
        return _captured(call, host, names)

    def run() -> Arrays:
        return _to_host(call([image.to(device, non_blocking=True) for image in host]), names)

    return run


def _captured(
    call: Callable[[list[Tensor]], tuple[Tensor, ...]], host: list[Tensor], names: tuple[str, ...]
) -> Run:
    images = [image.to("cuda") for image in host]
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # PyTorch wants warm-up runs on another stream
        for _ in range(3):
            call(images)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        maps = call(images)

    def run() -> Arrays:
        for image, source in zip(images, host, strict=True):
            image.copy_(source, non_blocking=True)
        graph.replay()
        return _to_host(maps, names)

    return run


def _to_host(maps: tuple[Tensor, ...], names: tuple[str, ...]) -> Arrays:
    return {name: m.float().cpu().numpy() for name, m in zip(names, maps, strict=True)}
