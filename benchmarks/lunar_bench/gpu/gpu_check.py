"""Everything there is to know of an NVIDIA machine, in one call of under ten minutes.

For each network: PyTorch eager, compiled and as a CUDA graph; the exported bundles on ONNX Runtime,
TensorRT and TensorRT-RTX. All candidates of a network are timed in turn, from images in memory to
maps in memory. What cannot run is in the result with its reason.

The bundles are exported first, once each, FP32 of all networks before any lower precision, in half
of the time at most. Then one network after the other is measured, FP32 before the lower precisions,
and leaves the networks behind it the time for theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import torch
from lunar_runtime import Bundle
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import BackendError, LunarError
from lunar_student import Student, build_student

from lunar_bench.gpu.gpu_bundles import (
    LEAST_SECONDS,
    PRECISIONS,
    SEED,
    Bundles,
    bundle_backends,
    make_bundles,
    random_pair,
)
from lunar_bench.gpu.gpu_torch import WAYS, Arrays, Run, make_torch
from lunar_bench.record.statistics import Timing, ratio
from lunar_bench.record.timing import interleave
from lunar_bench.sensors.machine import Machine, describe_machine

REFERENCE = "eager fp32"

#: (student, outputs), the most wanted first: what the time does not suffice for is left out.
CASES: tuple[tuple[str, OutputSet], ...] = (("S2", "left"), ("S2", "both"), ("teacher", "left"))
# Of the time, for the exports of bundles that are missing.
_EXPORTS_SHARE = 0.5
# Kept for every network that waits: PyTorch's ways and the bundles in FP32, loaded and measured.
_RESERVED_SECONDS = 60.0
_SECONDS_PER_CASE = 60.0
_FEWEST_ROUNDS = 5


class Measured(msgspec.Struct, frozen=True):
    """One candidate.

    Attributes:
        timing: Wall clock, images in memory to maps in memory.
        over_eager: Median ratio to `eager fp32` in the same round.
        device_memory_mib: Taken on the device by loading it and running it, weights included.
        mean_relative_error: Of the left pointmap against `eager fp32`. The weights are random,
            which amplifies rounding: a sign that the same thing is computed, no accuracy.
        load_seconds: Loading and first runs, the engine's build included.
    """

    timing: Timing
    over_eager: float
    device_memory_mib: float
    mean_relative_error: float
    load_seconds: float


class Case(msgspec.Struct, frozen=True):
    """One network.

    Attributes:
        student: Family id; random weights.
        outputs: What is computed.
        size: Side of the images, pixels.
        measured: By candidate.
        not_run: Candidate -> why.
    """

    student: str
    outputs: str
    size: int
    measured: dict[str, Measured]
    not_run: dict[str, str]


class GpuReport(msgspec.Struct, frozen=True):
    """A machine.

    Attributes:
        gpu: Name.
        compute_capability: `8.7`.
        cuda: PyTorch's.
        cases: One per network.
        seconds: The whole check took.
        machine: The rest of it.
    """

    gpu: str
    compute_capability: str
    cuda: str
    cases: list[Case]
    seconds: float
    machine: Machine


def check_gpu(
    bundles: Path,
    *,
    cases: tuple[tuple[str, OutputSet], ...] = CASES,
    ways: tuple[str, ...] = WAYS,
    precisions: tuple[str, ...] = PRECISIONS,
    size: int = 512,
    rounds: int = 50,
    minutes: float = 9.0,
    device: str = "cuda",
    tell: Callable[[str], None] = lambda _: None,
) -> GpuReport:
    """Run the check.

    Args:
        bundles: Folder of the bundles; those that are missing are exported into it.
        cases: (student, outputs) to measure.
        ways: PyTorch's candidates.
        precisions: Of the bundles.
        size: Side of the images, pixels.
        rounds: Timed rounds of each network, fewer where they would take over a minute.
        minutes: After that nothing new is begun.
        device: `cuda`; `cpu` tries the procedure out.
        tell: Told what is being done.

    Raises:
        BackendError: PyTorch has no CUDA here.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise BackendError(
            f"PyTorch {torch.__version__} finds no NVIDIA GPU; install a CUDA build of it on a "
            "machine with a driver"
        )
    begin = time.monotonic()
    machine = describe_machine()
    bundles.mkdir(parents=True, exist_ok=True)
    # FP32 is to mean FP32 in every library; ONNX Runtime and TensorRT decide for themselves.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    seconds = 60 * minutes
    made = make_bundles(bundles, cases, precisions, size, _EXPORTS_SHARE * seconds, tell)
    done = []
    for (student, outputs), limit in zip(cases, time_limits(seconds, len(cases)), strict=True):
        network = _Network(made, student, outputs, size, device, begin + limit, tell)
        done.append(network.run(ways, precisions, rounds))
    cuda = device == "cuda"
    major, minor = torch.cuda.get_device_capability() if cuda else (0, 0)
    return GpuReport(
        gpu=torch.cuda.get_device_name() if cuda else "none",
        compute_capability=f"{major}.{minor}",
        cuda=torch.version.cuda or "none",
        cases=done,
        seconds=round(time.monotonic() - begin, 1),
        machine=machine,
    )


def time_limits(seconds: float, networks: int) -> list[float]:
    """Seconds after which each network begins nothing new: those that wait have time kept."""
    return [seconds - _RESERVED_SECONDS * (networks - number) for number in range(1, networks + 1)]


class _Network:
    """The candidates of one network."""

    def __init__(
        self,
        bundles: Bundles,
        student: str,
        outputs: OutputSet,
        size: int,
        device: str,
        deadline: float,
        tell: Callable[[str], None],
    ) -> None:
        self.bundles, self.student, self.outputs, self.size = bundles, student, outputs, size
        self.device, self.deadline, self.tell = device, deadline, tell
        self.runs: dict[str, Run] = {}
        self.first: dict[str, Arrays] = {}
        self.cost: dict[str, tuple[float, float]] = {}  # device memory in MiB, seconds to load
        self.seconds = 0.0  # of one round
        self.not_run: dict[str, str] = {}
        self.close: list[Callable[[], None]] = []

    def run(self, ways: tuple[str, ...], precisions: tuple[str, ...], rounds: int) -> Case:
        try:
            makers = {**self._torch(ways), **self._bundles(precisions)}
            # As everywhere, FP32 first: "torch.compile fp32", "onnxruntime fp32", ….
            for name in sorted(makers, key=lambda name: PRECISIONS.index(name.split()[-1])):
                self._load(name, makers[name])
            return self._measure(rounds)
        finally:
            for close in self.close:
                close()
            self.runs.clear()
            self._free()

    def _torch(self, ways: tuple[str, ...]) -> dict[str, Callable[[], Run]]:
        left, right = random_pair(self.size)
        torch.manual_seed(SEED)
        student: Student = build_student(self.student).eval()
        makers: dict[str, Callable[[], Run]] = {}
        for way in ways:
            if self.device != "cuda" and way.startswith("cuda graph"):
                self.not_run[way] = f"there are none on the {self.device}"
                continue
            makers[way] = partial(make_torch, way, student, self.outputs, left, right, self.device)
        return makers

    def _bundles(self, precisions: tuple[str, ...]) -> dict[str, Callable[[], Run]]:
        makers: dict[str, Callable[[], Run]] = {}
        for precision in precisions:
            bundle = self.bundles[self.student, self.outputs, precision]
            for library, load in bundle_backends(self.device).items():
                name = f"{library} {precision}"
                if isinstance(bundle, str):
                    self.not_run[name] = bundle
                else:
                    makers[name] = partial(self._load_bundle, bundle, load)
        return makers

    def _load_bundle(self, bundle: Bundle, load: Callable[[Bundle, float], Backend]) -> Run:
        left, right = random_pair(self.size)
        backend = load(bundle, self.deadline)
        self.close.append(backend.close)
        return lambda: backend.run(left, right)

    def _load(self, name: str, make: Callable[[], Run]) -> None:
        if time.monotonic() > self.deadline - LEAST_SECONDS:
            self.not_run[name] = "out of time"
            return
        self.tell(f"{self.student} {self.outputs}: {name}")
        self._free()
        begin, free = time.monotonic(), self._free_mib()
        try:
            run = make()
            self.first[name] = run()
            second = time.monotonic()
            run()
            self.seconds += time.monotonic() - second
        except Exception as error:  # every library has its own; all of them are results here
            lines = str(error).strip().splitlines()
            reason = lines[0] if lines else type(error).__name__
            self.not_run[name] = (
                reason if isinstance(error, LunarError) else f"{type(error).__name__}: {reason}"
            )
            return
        self.runs[name] = run
        self.cost[name] = (round(free - self._free_mib(), 1), round(time.monotonic() - begin, 1))

    def _measure(self, rounds: int) -> Case:
        if REFERENCE not in self.runs:
            reason = self.not_run.get(REFERENCE, "not loaded")
            missed = dict.fromkeys(self.runs, f"nothing to compare with: {reason}")
            return self._case({}, {**missed, **self.not_run})
        left = min(_SECONDS_PER_CASE, self.deadline - time.monotonic())
        rounds = min(rounds, max(_FEWEST_ROUNDS, int(left / self.seconds)))
        self.tell(f"{self.student} {self.outputs}: {len(self.runs)} candidates, {rounds} rounds")
        times = interleave(self.runs, rounds, warmup=3)
        expected = self.first[REFERENCE]["pointmap_left"]
        measured = {
            name: Measured(
                timing=timing,
                over_eager=round(ratio(timing.rounds_ms, times[REFERENCE].rounds_ms).value, 4),
                device_memory_mib=self.cost[name][0],
                mean_relative_error=relative_error(self.first[name]["pointmap_left"], expected)[1],
                load_seconds=self.cost[name][1],
            )
            for name, timing in times.items()
        }
        return self._case(measured, self.not_run)

    def _case(self, measured: dict[str, Measured], not_run: dict[str, str]) -> Case:
        return Case(self.student, self.outputs, self.size, measured, dict(not_run))

    def _free(self) -> None:
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _free_mib(self) -> float:
        return torch.cuda.mem_get_info()[0] / 2**20 if self.device == "cuda" else 0.0
