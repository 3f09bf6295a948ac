"""What guards cost of a pair: each one's share of the processor's time, in the same pairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import msgspec
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference import work
from lunar_runtime.inference.self_test import EVERY
from lunar_runtime.refinement import solver
from numpy.typing import NDArray

from lunar_bench.record.base import Record
from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine
from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.timing.rounds import in_turn

#: What must hold: of a refined pair's processor time.
MOST_SHARE = 0.03
_SEED = 9000

# Guard -> the functions that are it: who calls them, and by what name.
_GUARDS: dict[str, tuple[tuple[object, str], ...]] = {
    "weights": ((OnnxRuntimeBackend, "_intact"),),
    "outputs": ((work, "watch_outputs"),),
    "images": ((work, "watch_domain"),),
    "refinement": tuple((solver, f"require_{what}") for what in ("flow", "round", "slack")),
}
_ACTIVATIONS, _SELF_TEST = "activations", "self-test"


class GuardCost(Record, frozen=True):
    """One guard.

    Attributes:
        name: `weights`: their sums and CRC; `activations`: at cut points of the graph; `outputs`:
            of the network; `images`: the domain's monitor; `refinement`: its arrays; `self-test`:
            the golden pair, a share of a pair's, as often as `--self-test period` runs it.
        ms: Processor time of a pair, the median.
        share: Of the pair's processor time, the median over the pairs.
    """

    name: str
    ms: float
    share: float


class GuardsAtSize(Record, frozen=True):
    """Guards in pairs of one size.

    Attributes:
        size_px: Side of the images.
        pairs: How many, each run `rounds` times.
        pair_ms: Processor time of a refined pair with all guards, the median.
        network_ms: Of the network alone, unwatched, the median.
        guards: See `GuardCost`.
        share: Of all guards but the self-test, which is not on by itself between pairs.
    """

    size_px: int
    pairs: int
    pair_ms: float
    network_ms: float
    guards: list[GuardCost]
    share: float


class GuardsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What guards cost.

    Attributes:
        bundle_digest: Of the network's bundle.
        rounds: How often each pair was run.
        threads: Of the processor.
        points: Where activations are watched.
        sizes: One record a size.
        machine: Where.
    """

    bundle_digest: str
    rounds: int
    threads: int
    points: int
    sizes: list[GuardsAtSize]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether all guards together cost as little as they must."""
        return all(one.share < MOST_SHARE for one in self.sizes)


def measure_guards(
    bundle: Path | None = None,
    *,
    pairs: int = 6,
    rounds: int = 3,
    sizes: Sequence[int] = (256, 512),
    threads: int = 1,
    tell: Callable[[Iterable[int], int], Iterable[int]] = lambda sizes, _: sizes,
) -> GuardsResult:
    """Time guards where they run; that of activations, in the library, against a network without.

    Args:
        bundle: Of the network; None = the one in the package.
        pairs: Rendered, of each size.
        rounds: How often each is run, after one that does not count.
        sizes: Of the images, pixels a side.
        threads: Of the processor. With several, waiting counts as time too.
        tell: Shows how far the work is.

    Raises:
        BundleError: The bundle cannot be used.
    """
    machine = describe_machine()
    opened = Bundle.open(default_bundle_path() if bundle is None else bundle, keep_model=True)
    graph = msgspec.structs.replace(opened.manifest.graph, activation_ranges={})
    manifest = msgspec.structs.replace(opened.manifest, graph=graph)
    plain = OnnxRuntimeBackend(
        Bundle(opened.path, manifest, opened.digest, opened.signed), "cpu", threads
    )
    with opencv_threads(threads), closing(plain):
        backend = OnnxRuntimeBackend(opened, "cpu", threads)
        with StereoRuntime(opened, backend) as runtime:
            found = [
                _at_size(runtime, backend, plain, list(rendered_pairs(pairs, size, _SEED)), rounds)
                for size in tell(sizes, len(sizes))
            ]
            points = backend.activation_record.points
    return GuardsResult(
        bundle_digest=opened.digest,
        rounds=rounds,
        threads=threads,
        points=points,
        sizes=found,
        machine=machine,
    )


def guard_lines(result: GuardsResult) -> Iterator[str]:
    """A line a size, then one a guard."""
    for one in result.sizes:
        yield (
            f"{one.size_px} px: a refined pair {one.pair_ms:.0f} ms, the network "
            f"{one.network_ms:.0f} ms, guards {one.share:.2%} of the pair"
        )
        for guard in one.guards:
            yield f"  {guard.name:<12}{guard.ms:6.2f} ms  {guard.share:6.2%}"


def _at_size(
    runtime: StereoRuntime,
    watched: OnnxRuntimeBackend,
    plain: OnnxRuntimeBackend,
    pairs: Sequence[KnownPair],
    rounds: int,
) -> GuardsAtSize:
    times = _Times()
    network: list[float] = []
    added: list[float] = []
    for pair in pairs:
        rig = Rig(left=pair.camera_left, right=pair.camera_right)
        side = runtime.bundle.manifest.graph.height, runtime.bundle.manifest.graph.width
        inputs = [
            np.asarray(cv2.resize(image, side[::-1])[None, None], np.uint8)
            for image in (pair.left, pair.right)
        ]
        for number in range(-1, rounds):
            with times.of_a_pair(counts=number >= 0):
                runtime.infer(pair.left, pair.right, rig)
            took = _both(watched, plain, inputs, number)
            if number >= 0:
                network.append(took[1])
                added.append(took[0] - took[1])
    pair_ms = float(np.median(times.pairs))
    guards = [
        GuardCost(name=name, ms=_short(np.median(ms)), share=_short(np.median(ms) / pair_ms))
        for name, ms in {**times.guards, _ACTIVATIONS: added}.items()
    ]
    share = sum(guard.share for guard in guards)
    tested = float(np.median(network)) / EVERY
    guards.append(GuardCost(name=_SELF_TEST, ms=_short(tested), share=_short(tested / pair_ms)))
    return GuardsAtSize(
        size_px=max(pairs[0].left.shape),
        pairs=len(pairs),
        pair_ms=_short(pair_ms),
        network_ms=_short(np.median(network)),
        guards=guards,
        share=_short(share),
    )


def _both(
    watched: OnnxRuntimeBackend,
    plain: OnnxRuntimeBackend,
    inputs: Sequence[NDArray[np.uint8]],
    number: int,
) -> dict[int, float]:
    """Processor time of the network, watched (0) and unwatched (1), run in turn.

    One more goes before: whoever is first after a refinement takes back the memory that it freed,
    which costs half a network.
    """
    plain.compute(inputs[0], inputs[1])
    took = {}
    for which in in_turn((0, 1), number):
        begin = time.process_time()
        (watched, plain)[which].compute(inputs[0], inputs[1])
        took[which] = 1e3 * (time.process_time() - begin)
    return took


class _Times:
    """Processor times of pairs and, in each, of every guard."""

    def __init__(self) -> None:
        self.pairs: list[float] = []
        self.guards: dict[str, list[float]] = {name: [] for name in _GUARDS}

    @contextmanager
    def of_a_pair(self, *, counts: bool) -> Iterator[None]:
        """Time what runs inside."""
        spent = dict.fromkeys(_GUARDS, 0.0)
        with ExitStack() as stack:
            for name, functions in _GUARDS.items():
                for owner, attribute in functions:
                    function = _timed(name, spent, getattr(owner, attribute))
                    stack.enter_context(patch.object(owner, attribute, function))
            begin = time.process_time()
            yield
            took = time.process_time() - begin
        if counts:
            self.pairs.append(1e3 * took)
            for name, seconds in spent.items():
                self.guards[name].append(1e3 * seconds)


def _timed(name: str, spent: dict[str, float], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        begin = time.process_time()
        try:
            return function(*given, **named)
        finally:
            spent[name] += time.process_time() - begin

    return call


def _short(value: Any) -> float:
    return float(f"{float(value):.3g}")
