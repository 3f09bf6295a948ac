"""All ways to run one network on a GPU, loaded and timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from lunar_runtime import Bundle
from lunar_runtime.bundles.choices import PRECISIONS, OutputSet, Precision
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import LunarError
from lunar_student import Student, build_student

from lunar_bench.gpu.bundles import LEAST_SECONDS, SEED, Bundles, Loader, random_pair
from lunar_bench.gpu.report import CandidateTimes, Case
from lunar_bench.gpu.torch_ways import Arrays, Run, make_torch
from lunar_bench.timing.rounds import interleave
from lunar_bench.timing.statistics import ratio

REFERENCE = "eager fp32"

_SECONDS_PER_CASE = 60.0
_FEWEST_ROUNDS = 5


class NetworkCheck:
    """The candidates of one network.

    Args:
        bundles: Every bundle, or why there is none.
        loaders: Library -> what loads a bundle.
        student: Family id.
        outputs: To compute.
        size: Side of the images, pixels.
        device: `cuda` or `cpu`.
        deadline: Of `time.monotonic`: nothing new is begun then.
        tell: Told what is being done.
    """

    def __init__(
        self,
        bundles: Bundles,
        loaders: Mapping[str, Loader],
        student: str,
        outputs: OutputSet,
        size: int,
        device: str,
        deadline: float,
        tell: Callable[[str], None],
    ) -> None:
        self.bundles, self.loaders, self.size = bundles, loaders, size
        self.student, self.outputs = student, outputs
        self.device, self.deadline, self.tell = device, deadline, tell
        self.runs: dict[str, Run] = {}
        self.first: dict[str, Arrays] = {}
        self.cost: dict[str, tuple[float, float]] = {}  # device memory in MiB, seconds to load
        self.seconds = 0.0  # of one round
        self.not_run: dict[str, str] = {}
        self.close: list[Callable[[], None]] = []

    def run(self, ways: tuple[str, ...], precisions: tuple[Precision, ...], rounds: int) -> Case:
        """Load every candidate and time them in turn.

        Args:
            ways: PyTorch's candidates.
            precisions: Of the bundles.
            rounds: At most.
        """
        try:
            makers = {**self._torch(ways), **self._bundles(precisions)}
            # As everywhere, FP32 first: "torch.compile fp32", "onnxruntime fp32", ….
            for name in sorted(makers, key=_precision_of):
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
        outputs = self.outputs
        makers: dict[str, Callable[[], Run]] = {}
        for way in ways:
            if self.device != "cuda" and way.startswith("cuda graph"):
                self.not_run[way] = f"there are none on the {self.device}"
                continue
            makers[way] = partial(make_torch, way, student, outputs, left, right, self.device)
        return makers

    def _bundles(self, precisions: tuple[Precision, ...]) -> dict[str, Callable[[], Run]]:
        makers: dict[str, Callable[[], Run]] = {}
        for precision in precisions:
            bundle = self.bundles[self.student, self.outputs, precision]
            for library, load in self.loaders.items():
                name = f"{library} {precision}"
                if isinstance(bundle, str):
                    self.not_run[name] = bundle
                else:
                    makers[name] = partial(self._load_bundle, bundle, load)
        return makers

    def _load_bundle(self, bundle: Bundle, load: Loader) -> Run:
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
            name: CandidateTimes(
                timing=timing,
                over_eager=round(ratio(timing.rounds_ms, times[REFERENCE].rounds_ms).value, 4),
                device_memory_mib=self.cost[name][0],
                mean_relative_error=relative_error(self.first[name]["pointmap_left"], expected)[1],
                load_seconds=self.cost[name][1],
            )
            for name, timing in times.items()
        }
        return self._case(measured, self.not_run)

    def _case(self, measured: dict[str, CandidateTimes], not_run: dict[str, str]) -> Case:
        return Case(self.student, self.outputs, self.size, measured, dict(not_run))

    def _free(self) -> None:
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _free_mib(self) -> float:
        return torch.cuda.mem_get_info()[0] / 2**20 if self.device == "cuda" else 0.0


def _precision_of(candidate: str) -> int:
    """Place of a candidate's precision, the last word of its name."""
    return [*PRECISIONS].index(candidate.split()[-1])  # type: ignore[arg-type]
