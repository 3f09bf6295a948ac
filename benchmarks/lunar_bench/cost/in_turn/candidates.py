"""What runs in turn: a bundle with everything around it, or a network alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from lunar_runtime import Bundle, StereoRuntime
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.files.images import read_image
from lunar_runtime.geometry.network_frame import prepare
from lunar_runtime.inference.options import Refine
from lunar_runtime.report.outputs import write_result
from numpy.typing import NDArray

from lunar_bench.cost.in_turn.pairs import RiggedPair

#: Stages of the pipeline's own clock -> ours; the rest of its time is geometry.
_STAGES = {"read": "decode", "prepare": "preprocess", "network": "inference"}
_REFINEMENT = "refine"

#: Runs two (1, 1, H, W) uint8 images through a network.
Network = Callable[[NDArray[np.uint8], NDArray[np.uint8]], object]


class Candidate(Protocol):
    """One of the things that run in turn.

    Attributes:
        kind: `bundle`, or which baseline.
        bundle: Whose network it runs.
        backend: Library and version.
        device: What it runs on.
        engine_mib: Device memory by the engine's own account; None where there is no engine.
    """

    kind: str
    bundle: Bundle
    backend: str
    device: str
    engine_mib: float | None

    def run(self, pair: RiggedPair) -> dict[str, float]:
        """Process a pair once.

        Returns:
            Stage -> milliseconds.

        Raises:
            InputError: Nothing usable came out of the pair.
        """
        ...

    def allocated_mib(self) -> float | None:
        """Peak of PyTorch's device allocator so far; None where it has no part in this."""
        ...

    def close(self) -> None:
        """Free the network."""
        ...


class WholePair:
    """A bundle in `StereoRuntime`, from two files to a folder of results.

    Args:
        bundle: Verified.
        backend: Its network, loaded.
        out: Folder that every run overwrites.
        refine: As lunar-infer's.
    """

    kind = "bundle"

    def __init__(self, bundle: Bundle, backend: Backend, out: Path, refine: Refine) -> None:
        self._runtime, self._out, self._refine = StereoRuntime(bundle, backend), out, refine
        self.bundle, self.backend, self.device = bundle, backend.name, backend.device
        self.engine_mib = _engine_mib(backend)

    def run(self, pair: RiggedPair) -> dict[str, float]:
        """See `Candidate.run`."""
        begin = time.perf_counter()
        result = self._runtime.infer(pair.left, pair.right, pair.rig, refine=self._refine)
        inferred = time.perf_counter()
        write_result(result, self._out, overwrite=True)
        end = time.perf_counter()
        timings = result.timings_ms
        stages = {stage: timings[name] for name, stage in _STAGES.items()}
        stages["geometry"] = 1e3 * (inferred - begin) - sum(stages.values())
        if _REFINEMENT in timings:
            stages["refinement"] = timings[_REFINEMENT]
        stages["write"] = 1e3 * (end - inferred)
        stages["total"] = 1e3 * (end - begin)
        return stages

    def allocated_mib(self) -> float | None:
        """See `Candidate.allocated_mib`."""
        return None

    def close(self) -> None:
        """See `Candidate.close`."""
        self._runtime.close()


class NetworkOnly:
    """A network, from two files to its outputs in memory.

    Attributes:
        network: What runs; None once closed.

    Args:
        kind: See `Candidate`.
        bundle: Gives the size of the images.
        backend: Library and version.
        device: What it runs on.
        network: Runs it.
        free: Frees it.
        engine_mib: See `Candidate`.
        allocated_mib: Asks PyTorch's allocator, on a device.
    """

    def __init__(
        self,
        kind: str,
        bundle: Bundle,
        backend: str,
        device: str,
        network: Network,
        free: Callable[[], None] = lambda: None,
        engine_mib: float | None = None,
        allocated_mib: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.kind, self.bundle, self.backend, self.device = kind, bundle, backend, device
        self.engine_mib = engine_mib
        self.network: Network | None = network
        self._free, self._allocated_mib = free, allocated_mib

    @classmethod
    def of_backend(cls, bundle: Bundle, backend: Backend) -> NetworkOnly:
        """A bundle without what follows its network."""
        name, device, engine_mib = backend.name, backend.device, _engine_mib(backend)
        return cls("bundle", bundle, name, device, backend.run, backend.close, engine_mib)

    def run(self, pair: RiggedPair) -> dict[str, float]:
        """See `Candidate.run`."""
        assert self.network is not None
        graph = self.bundle.manifest.graph
        begin = time.perf_counter()
        images = read_image(pair.left), read_image(pair.right)
        decoded = time.perf_counter()
        left, right = (prepare(i.pixels, graph.height, graph.width)[0][None, None] for i in images)
        prepared = time.perf_counter()
        self.network(left, right)
        end = time.perf_counter()
        return {
            "decode": 1e3 * (decoded - begin),
            "preprocess": 1e3 * (prepared - decoded),
            "inference": 1e3 * (end - prepared),
        }

    def allocated_mib(self) -> float | None:
        """See `Candidate.allocated_mib`."""
        return self._allocated_mib()

    def close(self) -> None:
        """See `Candidate.close`."""
        self.network = None
        self._free()


def _engine_mib(backend: Backend) -> float | None:
    taken = getattr(backend, "device_memory_bytes", None)  # TensorRT's backends know
    return None if taken is None else round(taken / 2**20, 1)
