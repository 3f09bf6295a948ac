"""Several processes on one run, as `torchrun` starts them: gloo on CPUs, NCCL on GPUs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from lunar_runtime.errors import BackendError
from torch import Tensor


@dataclass(frozen=True)
class Workers:
    """This process among those of the run.

    Attributes:
        rank: Its number.
        world: How many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace float tensors by their sums over all processes, in one message."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.detach().copy_(part.view_as(tensor))

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.world > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether it is true on any process."""
        if self.world == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value)

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def join(device: str) -> Iterator[tuple[Workers, torch.device]]:
    """This process's place and its device; outside `torchrun`, the only one.

    Args:
        device: "cpu" or "cuda".

    Raises:
        BackendError: CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError("device cuda: PyTorch finds no CUDA device; use the device cpu")
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Workers(), torch.device(device)
        return
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Workers(dist.get_rank(), world), place
    finally:
        dist.destroy_process_group()
