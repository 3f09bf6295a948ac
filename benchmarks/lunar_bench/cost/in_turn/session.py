"""Bundles and baselines in one process, in turn, round by round: `lunar-bench run`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal

from lunar_runtime import Bundle
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import BackendError, InputError

from lunar_bench.cost.in_turn.baseline_process import baseline_arguments
from lunar_bench.cost.in_turn.baselines import load_baseline, require_libraries
from lunar_bench.cost.in_turn.candidates import Candidate, NetworkOnly, WholePair
from lunar_bench.cost.in_turn.comparisons import compare_entries
from lunar_bench.cost.in_turn.entries import Entry, baseline_entries, candidate_record, name_bundles
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.pairs import UsablePairs, golden_pair, open_pairs
from lunar_bench.cost.in_turn.rows import Rows, leak_of
from lunar_bench.cost.in_turn.starts import measure_baseline_start, measure_start
from lunar_bench.record.arithmetic import Peaks
from lunar_bench.record.memory import DeviceMemory, FreshStart
from lunar_bench.record.run import AccuracyPoint, RunRecord, Settings
from lunar_bench.sensors.cuda_memory import CudaMemory, open_cuda
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.sensors.noise_meter import NoiseMeter
from lunar_bench.sensors.process_memory import resident_mib
from lunar_bench.sensors.sampler import Sampler
from lunar_bench.timing.rounds import in_turn, is_warm, rounds_until

_FEWEST_ROUNDS = 5  # below, a ratio has no interval
_IDLE_S = 1.0  # of looking at the idle machine's power


def run_side_by_side(
    bundles: list[Bundle],
    options: MeasureOptions,
    *,
    accuracy: list[AccuracyPoint] | None = None,
    scratch: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> RunRecord:
    """Measure; an interrupt (Ctrl-C) ends it early and leaves a partial record.

    Args:
        bundles: One or more.
        options: What to measure.
        accuracy: Goes into the record.
        scratch: Existing folder on the disk that results are written to; None = the system's.
        tell: Told what is being done.

    Raises:
        InputError: No pair can be used, or no candidate could process any.
        BackendError: What was asked for is not there.
        BundleError: A bundle cannot be loaded.
        UsageError: Options that do not fit together.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
        return _Session(bundles, options, folder, tell).go(accuracy or [])


class _Session:
    def __init__(
        self,
        bundles: list[Bundle],
        options: MeasureOptions,
        folder: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.options, self.folder, self.tell = options, folder, tell
        require_libraries(options.baselines)
        self.source: UsablePairs = (
            golden_pair(bundles[0], folder) if options.pairs is None else open_pairs(options.pairs)
        )
        self.machine = describe_machine()
        own = [Entry(name, "bundle", bundle) for name, bundle in name_bundles(bundles)]
        self.entries = [*own, *(e for n in options.baselines for e in baseline_entries(n, own))]
        self.sampler = Sampler()
        self.noise = NoiseMeter()
        self.idle: tuple[float, float] = (0.0, 0.0)
        self.resident: list[tuple[float, float]] = []
        self.peaks: Peaks | None = None
        self.notes: list[str] = []

    def go(self, accuracy: list[AccuracyPoint]) -> RunRecord:
        status: Literal["complete", "partial"] = "complete"
        try:
            self._measure_starts()
            self._load()
            self.sampler.start()
            begin = time.perf_counter()
            time.sleep(_IDLE_S)
            self.idle = (begin, time.perf_counter())
            self._warm_up()
            self._measure()
        except KeyboardInterrupt:
            status = "partial"
        finally:
            self.sampler.stop()
            noise = self.noise.report()
            for entry in self.entries:
                if entry.candidate:
                    entry.candidate.close()
                    entry.candidate = None
        if status == "complete" and self.options.roofline:
            try:
                self._analyse()
            except KeyboardInterrupt:
                status = "partial"
        return RunRecord(
            status=status,
            settings=self._settings(),
            machine=self.machine,
            noise=noise,
            telemetry=self.sampler.report(),
            peaks=self.peaks,
            candidates=[
                candidate_record(entry, self.options, self.sampler, self.idle)
                for entry in self.entries
            ],
            comparisons=compare_entries(self.entries),
            leak=leak_of(self.resident),
            unreadable=self.source.unreadable,
            accuracy=[a for a in accuracy if a.bundle_digest in self._digests()],
            notes=self.notes,
        )

    def _measure_starts(self) -> None:
        if not self.options.starts or self.options.network_only:
            return
        for entry in self.entries:
            self.tell(f"{entry.name}: starting afresh")
            try:
                entry.start = self._start(entry)
            except InputError as error:
                self.notes.append(f"{entry.name}: no start was measured ({error})")

    def _start(self, entry: Entry) -> FreshStart:
        o, pair = self.options, self.source.pairs[0]
        if entry.kind != "bundle":
            device = "cuda" if o.device == "cuda" else "cpu"
            arguments = baseline_arguments(
                entry.kind, entry.bundle, device, o.threads, o.checkpoint
            )
            return measure_baseline_start(entry.bundle, arguments)
        arguments = [str(pair.left), str(pair.right), "--bundle", str(entry.bundle.path)]
        arguments += ["--backend", o.backend, "--device", o.device, "--refine", o.refine]
        if pair.rig_path is not None:
            arguments += ["--rig", str(pair.rig_path)]
        if o.threads is not None:
            arguments += ["--threads", str(o.threads)]
        return measure_start(entry.bundle, arguments, o.starts)

    def _load(self) -> None:
        o, cuda = self.options, None if self.options.device == "cpu" else open_cuda()
        for entry in self.entries:
            self.tell(f"{entry.name}: loading")
            load: Callable[[], Candidate] = partial(self._bundle, entry.bundle)
            if entry.kind != "bundle":
                device = self.entries[0].device  # that of the bundles, which are loaded first
                load = partial(
                    load_baseline, entry.kind, entry.bundle, device, o.threads, o.checkpoint
                )
            self._load_one(entry, cuda, load)

    def _bundle(self, bundle: Bundle) -> Candidate:
        o = self.options
        backend = select_backend(bundle, o.backend, o.device, o.threads)
        if o.network_only:
            return NetworkOnly.of_backend(bundle, backend)
        return WholePair(bundle, backend, self.folder / "result", o.refine)

    def _load_one(
        self, entry: Entry, cuda: CudaMemory | None, load: Callable[[], Candidate]
    ) -> None:
        before = cuda.free_mib() if cuda else None
        begin = time.perf_counter()
        entry.candidate = load()
        entry.load_s = round(time.perf_counter() - begin, 3)
        entry.backend, entry.device = entry.candidate.backend, entry.candidate.device
        self._first_run(entry)  # what a library puts off until then belongs to loading
        if entry.device == "cuda":
            after = cuda.free_mib() if cuda else None
            entry.device_memory = DeviceMemory(
                driver=None if before is None or after is None else round(before - after, 1),
                engine=entry.candidate.engine_mib,
                allocator=entry.candidate.allocated_mib(),
            )

    def _warm_up(self) -> None:
        end, number = time.monotonic() + self.options.warmup_s, 0
        while not all(entry.settled for entry in self.entries):
            if time.monotonic() >= end:
                break
            self.tell(f"warming up, round {number + 1}")
            for entry in in_turn(self.entries, number):
                stages = self._once(entry, number, None)
                entry.warmup_ms.append(stages.get("total", stages["inference"]) if stages else 0.0)
                entry.settled = is_warm(entry.warmup_ms)
            number += 1

    def _measure(self) -> None:
        o = self.options
        if o.sustained_min is not None:
            numbers = rounds_until(60 * o.sustained_min, _FEWEST_ROUNDS, time.monotonic)
        elif o.iterations is not None:
            numbers = iter(range(o.iterations))
        else:
            numbers = rounds_until(o.duration_s, _FEWEST_ROUNDS, time.monotonic)
        begin = time.perf_counter()
        for number in numbers:
            self.noise.probe()
            self.tell(f"round {number + 1}, {time.perf_counter() - begin:.0f} s")
            for entry in in_turn(self.entries, number):
                self._once(entry, number, entry.rows)
            self.resident.append((time.perf_counter() - begin, resident_mib()))

    def _first_run(self, entry: Entry) -> None:
        if any(self._once(entry, n, None) is not None for n in range(len(self.source.pairs))):
            return
        pair, reason = next(iter(entry.failed.items()))
        raise InputError(
            f"{entry.name}: no pair gave a result ({pair}: {reason}); measure the network alone "
            "(network_only)"
        )

    def _once(self, entry: Entry, number: int, rows: Rows | None) -> dict[str, float] | None:
        assert entry.candidate is not None
        pair = self.source.pairs[number % len(self.source.pairs)]
        begin = time.perf_counter()
        try:
            stages = entry.candidate.run(pair)
        except InputError as error:
            entry.failed[pair.name] = str(error).replace(f"{pair.left.parent}/", "")
            return None
        if rows is not None:
            rows.add(number, stages, (begin, time.perf_counter()))
        return stages

    def _analyse(self) -> None:
        try:
            from lunar_bench.cost.arithmetic.peaks import measure_peaks
            from lunar_bench.cost.arithmetic.roofline import analyse
        except ImportError as error:
            self.notes.append(
                f"no FLOPs and no roofline: {error}; `pip install 'lunar-edge[export]'`"
            )
            return
        bundles = [entry for entry in self.entries if entry.kind == "bundle"]
        self.tell("measuring the machine's peaks")
        try:
            self.peaks = measure_peaks(bundles[0].device, self.options.threads, self.options.peak_s)
        except BackendError as error:
            self.notes.append(f"no peaks: {error}")
        for entry in bundles:
            self.tell(f"{entry.name}: parts of the graph")
            inference = entry.rows.stages().get("inference")
            entry.parts = analyse(
                entry.bundle,
                entry.backend,
                entry.device,
                self.options.threads,
                self.peaks,
                inference.median_ms if inference else None,
                self.options.profiled_runs,
            )

    def _settings(self) -> Settings:
        o = self.options
        timed = o.sustained_min is None and o.iterations is None
        return Settings(
            pairs=self.source.description,
            pair_count=len(self.source.pairs),
            refine=o.refine,
            network_only=o.network_only,
            backend=o.backend,
            device=o.device,
            threads=o.threads,
            iterations=None if o.sustained_min is not None else o.iterations,
            duration_s=o.duration_s if timed else None,
            sustained_min=o.sustained_min,
            deadline_ms=o.deadline_ms,
            weights="random" if o.checkpoint is None else "the bundle's checkpoint",
        )

    def _digests(self) -> set[str]:
        return {entry.bundle.digest for entry in self.entries}
