"""How good bundles are: pairs with known truth, every method beside the others and the plane null.

report = measure_accuracy_of([Path("bundle")], Path("StereoLunar"), sgbm=True, refine=True)
report.methods[0].medians["absrel_median"]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lunar_runtime import Bundle, StereoRuntime
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.printable import printable
from lunar_runtime.inference.options import ViewChoice

from lunar_bench.accuracy.methods import (
    Method,
    MethodOutput,
    run_fused,
    run_geometry,
    run_network,
    run_plane,
    run_sgbm,
)
from lunar_bench.accuracy.pairs import LabelledPair, PairFolder, fit_pair
from lunar_bench.accuracy.report import AccuracyReport, BundleRecord
from lunar_bench.accuracy.tally import MethodTally
from lunar_bench.sensors.machine import describe_machine


def measure_accuracy_of(
    bundles: list[Path],
    data: Path,
    *,
    sgbm: bool,
    count: int | None = None,
    size: int | None = None,
    refine: bool = False,
    backend: str = "auto",
    device: str = "auto",
    tell: Callable[[Iterable[str], int], Iterable[str]] | None = None,
) -> AccuracyReport:
    """Run bundles and baselines on pairs whose depth is known.

    All of them are compared on the same pixels, those of the files; a network's pointmap is resized
    to them. An interrupt ends the run with what there is.

    Args:
        bundles: At least one, all of one aspect.
        data: Folder in StereoLunar's layout, or of rendered shards.
        sgbm: Also classical stereo that is told the pose.
        count: Pairs at most; None = all.
        size: Compare at this many pixels along the longer side instead; pairs are resized first.
        refine: Also the refined bundles, and the images alone.
        backend: What runs the bundles; see `select_backend`.
        device: On what.
        tell: Wraps the names of the pairs, of which it is told the number, to show progress.

    Raises:
        UsageError: No bundle, or bundles of different aspects.
        InputError: No pair can be read.
        BundleError: See `Bundle.open`.
        BackendError: The backend or the device is not there.
    """
    if not bundles:
        raise UsageError("give at least one bundle")
    opened = [Bundle.open(path) for path in bundles]
    sizes = check_aspects(opened)
    machine = describe_machine()
    source = PairFolder.open(data)
    readers = dict(itertools.islice(source.pairs(), count))
    backends = [select_backend(bundle, backend, device) for bundle in opened]
    tallies = [
        MethodTally(one.method, one.run, one.bundle)
        for one in method_runs(opened, backends, sizes, sgbm=sgbm, refine=refine)
    ]
    unreadable: dict[str, str] = {}
    compared, read, interrupted = (0, 0), 0, False
    try:
        for name in tell(readers, len(readers)) if tell else readers:
            try:
                pair = fit_pair(readers[name](), sizes[0], size)
            except InputError as error:
                unreadable[name] = str(error)
                continue
            read += 1
            compared = (pair.known.left.shape[0], pair.known.left.shape[1])
            for tally in tallies:
                tally.add(pair)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for loaded in backends:
            loaded.close()
    if not read:
        why = next(iter(unreadable.values()), "there are none")
        raise InputError(f"{data}: no pair could be measured: {why}")
    return AccuracyReport(
        data=source.data,
        size=compared,
        pair_count=read,
        methods=[tally.result() for tally in tallies],
        unreadable=unreadable,
        partial=interrupted,
        machine=machine,
    )


@dataclass(frozen=True)
class MethodRun:
    """A method, ready to run.

    Attributes:
        method: See `methods`.
        run: From a pair to what the method says of it.
        bundle: What runs; None = no network.
    """

    method: Method
    run: Callable[[LabelledPair], MethodOutput]
    bundle: BundleRecord | None = None


def check_aspects(bundles: list[Bundle]) -> list[tuple[int, int]]:
    """Height and width of the bundles' images.

    Raises:
        UsageError: They have different aspects.
    """
    sizes = [(b.manifest.graph.height, b.manifest.graph.width) for b in bundles]
    if len({height / width for height, width in sizes}) > 1:
        shapes = ", ".join(f"{height}x{width}" for height, width in sizes)
        raise UsageError(
            f"bundles of different aspects ({shapes}) see different ground; run them one by one"
        )
    return sizes


def method_runs(
    bundles: list[Bundle],
    backends: list[Backend],
    sizes: list[tuple[int, int]],
    *,
    sgbm: bool,
    refine: bool,
    view: ViewChoice = "left",
) -> list[MethodRun]:
    """Every method that is compared: the networks first, the plane last.

    With `view` both, what is refined gives the right image's points too; not of a bundle without
    them, whose pairs that are not refined would have none.
    """
    records = [_record(*both) for both in zip(bundles, backends, strict=True)]
    runs = [
        MethodRun("network", partial(_network, backend, size), record)
        for backend, size, record in zip(backends, sizes, records, strict=True)
    ]
    if refine:
        runs += [
            MethodRun("fused", partial(_fused, StereoRuntime(bundle, backend), view), record)
            for bundle, backend, record in zip(bundles, backends, records, strict=True)
        ]
        runs.append(MethodRun("geometry", lambda pair: run_geometry(pair.known, view)))
    if sgbm:
        runs.append(MethodRun("sgbm", lambda pair: run_sgbm(pair.known)))
    return [*runs, MethodRun("plane", lambda pair: run_plane(pair.known))]


def _network(backend: Backend, size: tuple[int, int], pair: LabelledPair) -> MethodOutput:
    return run_network(backend, pair.known, size)


def _fused(runtime: StereoRuntime, view: ViewChoice, pair: LabelledPair) -> MethodOutput:
    left_only = runtime.bundle.manifest.graph.output_set == "left"
    return run_fused(runtime, pair.known, "left" if left_only else view)


def _record(bundle: Bundle, backend: Backend) -> BundleRecord:
    manifest = bundle.manifest
    return BundleRecord(
        name=printable(bundle.path.name),
        student=manifest.student.id,
        precision=manifest.precision,
        outputs=manifest.graph.output_set,
        size=(manifest.graph.height, manifest.graph.width),
        gate=manifest.gate,
        backend=backend.name,
        device=backend.device,
        checkpoint_sha256=manifest.student.checkpoint_sha256 or "",
        digest=bundle.digest,
    )
