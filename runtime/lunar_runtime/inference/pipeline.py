"""Stereo pair to pointmap, depth and slope.

    with StereoRuntime.load() as runtime:
        result = runtime.infer("left.png", "right.png", baseline_m=1442.0)
    result.depth, result.slope, result.unit

Convention: OpenCV axes (x right, y down, z forward), pixel centres at +0.5; `b_from_a` maps points
of frame a into frame b. A view's arrays have its image's own pixels, up to `longest_px` a side, or
with `refine="off"` the network's. `result.mapping` and `mapping_right` lead back to the images as
given.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationRecord, activation_record_of
from lunar_runtime.backends.features import KEEP_VIEWS, forget_views
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.scrubbing import Scrubbed, ScrubRecord, scrub_record_of
from lunar_runtime.backends.watched import WatchedBackend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.trust import TrustStore
from lunar_runtime.errors import UsageError
from lunar_runtime.files.window import WindowsGiven, as_windows
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.degenerate import refuse_degenerate
from lunar_runtime.inference.loaded_network import describe_network, require_outputs
from lunar_runtime.inference.network_error import depth_error_of
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions, Refine, SlopeKind, ViewChoice
from lunar_runtime.inference.other_suns import OtherSunsGiven, as_other_suns
from lunar_runtime.inference.pair import Image, Masks
from lunar_runtime.inference.practice_pair import practice_pair
from lunar_runtime.inference.self_test import EVERY, SelfTest, SelfTester, require_golden
from lunar_runtime.inference.sound_outputs import bounds_of
from lunar_runtime.inference.work import PairWork, Ran

if TYPE_CHECKING:  # imported when they are needed: the first pair is read sooner
    from lunar_runtime.inference.attempt import Network
    from lunar_runtime.inference.costs import Costs
    from lunar_runtime.inference.in_time import InTime
    from lunar_runtime.inference.result import ModelInfo, StereoResult

_WARM_UP_PX = 128  # of a pair whose time does not count: libraries allocate and compile


class StereoRuntime:
    """A loaded bundle, ready to run pairs. Made by `load`; a context manager.

    Threads may share one: the network runs one pair at a time, everything else beside it.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        self_test: SelfTest = "never",
        self_test_every: int = EVERY,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Run a network that was opened, and may still be loading.

        Args:
            bundle: A verified bundle.
            backend: Its network.
            self_test: As for `load`, as is the next.
            self_test_every: Pairs from one test to the next.
            meanwhile: Called once, while the first pair waits for the network.
        """
        self.bundle = bundle
        self._meanwhile = meanwhile
        self._backend = backend
        self._tester = SelfTester(self.check_golden, self._reload, self_test, self_test_every)
        self._one_at_a_time = threading.Lock()  # an engine has one set of buffers
        self._depth_error = depth_error_of(bundle.manifest.student)
        self._bounds = bounds_of(bundle.manifest.student)

    @classmethod
    def load(
        cls,
        bundle: Bundle | Path | str | None = None,
        backend: str = "auto",
        *,
        device: str = "auto",
        threads: int | None = None,
        trust: TrustStore | Path | str | None = None,
        require_signature: bool | None = None,
        watchdog: bool = False,
        keep_views: int = KEEP_VIEWS,
        self_test: SelfTest = "load",
        self_test_every: int = EVERY,
    ) -> StereoRuntime:
        """Verify a bundle and load its network.

        Args:
            bundle: A bundle or its folder; None is the one that ships in the package.
            backend: `auto`, or the name of an installed one: `onnxruntime`, `tensorrt`, ….
            device: `auto`, `cpu` or `cuda`.
            threads: CPU threads; None lets the backend choose.
            trust: Whose signatures count; see `Bundle.open`, as for the next.
            require_signature: Whether the bundle must be signed by one of them.
            watchdog: Run the network in a process of its own, which is ended and started again
                when it hangs.
            keep_views: Of a network in two graphs (`lunar-export --split`), the last views whose
                features are kept, so that a view of several pairs is encoded once; 0 keeps none.
            self_test: When the bundle's golden pair is run and compared: at `load`; by `period`,
                then and before every `self_test_every` pairs; or `never`.
            self_test_every: Pairs from one test to the next.

        Raises:
            GateError: The golden pair's outputs are not what they must be; see `check_golden`.
            BundleError: The bundle is incomplete, altered, foreign, or not signed as it must be.
            BackendError: What was asked for is not there.
            UsageError: No such backend, device or test; or `trust` comes with an opened bundle, or
                `keep_views` is negative.
        """
        if not isinstance(bundle, Bundle):
            path = default_bundle_path() if bundle is None else bundle
            bundle = Bundle.open(
                path, trust=trust, require_signature=require_signature, keep_model=True
            )
        elif trust is not None or require_signature is not None:
            raise UsageError("`trust` is for a bundle's folder; give it to Bundle.open")
        load = WatchedBackend if watchdog else select_backend
        network = load(bundle, backend, device, threads, keep_views=keep_views)
        runtime = cls(bundle, network, self_test, self_test_every)
        runtime._tester.test_if_due()
        return runtime

    def __enter__(self) -> StereoRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the network."""
        self._backend.close()

    @cached_property
    def _in_time(self) -> InTime:
        from lunar_runtime.inference.in_time import InTime

        return InTime()

    @property
    def model(self) -> ModelInfo:
        """Which network this is, and what it runs on."""
        return describe_network(self.bundle, self._backend, self._tester.record)

    @property
    def scrub_record(self) -> ScrubRecord:
        """What checking the weights in memory found so far."""
        return scrub_record_of(self._backend)

    @property
    def activation_record(self) -> ActivationRecord:
        """What watching the network's activations found so far."""
        return activation_record_of(self._backend)

    def self_test_if_due(self) -> None:
        """Run the golden pair if it is time to; pairs with a deadline are not made to wait for it.

        Raises:
            GateError: As `check_golden`, and also after the network was loaded again.
        """
        self._tester.test_if_due()

    @refuse_degenerate
    def infer(
        self,
        left: Image,
        right: Image,
        rig: Rig | str | Path | None = None,
        *,
        view: ViewChoice = InferOptions.view,
        intrinsics: Intrinsics | None = None,
        baseline_m: float | None = None,
        altitude_m: float | None = None,
        slope: SlopeKind = InferOptions.slope,
        smoothing_px: float = InferOptions.smoothing_px,
        min_confidence: str | None = None,
        refine: Refine = InferOptions.refine,
        window: WindowsGiven = None,
        masks: Masks = (None, None),
        other_suns: OtherSunsGiven = (),
        deadline_ms: float | None = None,
        last: bool = False,
        longest_px: int = InferOptions.longest_px,
    ) -> StereoResult:
        """Run one pair.

        Args:
            left: Path, or decoded values (see `grey_from_array`).
            right: The same; of another size only with a rig that has both cameras' intrinsics.
            rig: What is known of the cameras, in pixels of the images as given, or the path of a
                rig file. If it holds the pose, its baseline fixes the scale unless another option
                does.
            view: The camera whose depth and slope are wanted.
            intrinsics: Of both cameras, in pixels of the images as given; instead of the rig's.
            baseline_m: True distance between the cameras, metres.
            altitude_m: True height of the left camera above the scene's plane, metres.
            slope: `physical`, or `paper`: the published evaluation's per-pixel definition.
            smoothing_px: Of the physical slope; see `slope_deg`.
            min_confidence: A percentage, as `25%`: so many of the pixels, those with the largest
                expected error, become NaN in everything but the confidence.
            refine: `auto` refines the pointmap with the images where they allow it, else keeps the
                network's and says why; `on` makes that an error; `off` leaves it the network's.
            window: Part of both images to take for the whole, X, Y, W, H; or of each, left first.
            masks: Of the left and the right image, paths or (h, w) arrays of their own sizes: not
                0 where the image may be used; None = no mask. What is masked, or shows no ground
                by itself, is NaN in everything.
            other_suns: Images of the left view's ground under other suns, whose poses are known, or
                the path of a file that tells of them: they add slopes (photometric stereo).
            deadline_ms: From the call until the result must be there. The best that fits is given:
                refined, refined more coarsely, the images or the network alone, or the last good
                result with its age; `result.flown` says which and why. Needs `learn_costs` first.
            last: No pair follows: the network is freed once it has run, and what comes after it
                has the memory. Not with a deadline.
            longest_px: Of the result's longer side, where the images have more: 32 to 2048. Time
                and memory go with its square.

        Raises:
            UsageError: The options contradict each other, or need outputs that the bundle lacks.
            DeadlineError: Nothing fits into the deadline, and there is no earlier result.
            InputError: The pair cannot be used, or nothing usable came out of it.
            BackendError: The inference library failed.
        """
        given_at = time.perf_counter()
        options = InferOptions(
            view, intrinsics, baseline_m, altitude_m, slope, smoothing_px, min_confidence, refine,
            as_windows(window), as_other_suns(other_suns), longest_px,
        )  # fmt: skip
        options.check(self.bundle.manifest.graph.output_set)

        def read(clock: Clock) -> PairWork:
            work = PairWork.read(left, right, rig, options, masks, clock)
            doubts = (f"bundle: {doubt}" for doubt in self.bundle.doubts)
            work.notes = Notes.warn(*doubts) + work.notes
            return work

        if deadline_ms is not None:
            if last:
                raise UsageError("`last` is for a pair without `deadline_ms`; leave one out")
            from lunar_runtime.inference.in_time import check_deadline

            check_deadline(deadline_ms, self.costs)
            return self._in_time.infer(read, self.network, options, deadline_ms, given_at)
        work = read(Clock())
        self._see(work, None, last=last)
        from lunar_runtime.inference.answers import alone, refined

        if refine == "off":
            return alone(work, self.model)
        return refined(work, None if work.maps is None else self.model, last=last)

    def learn_costs(
        self, width: int = 512, height: int = 512, *, view: ViewChoice = "left", rounds: int = 2
    ) -> None:
        """Measure what a pair costs on this machine, on every rung of the ladder.

        Once after loading, before the first pair with a deadline; every pair adds to it. A round
        takes as long as five refined pairs.

        Args:
            width: Of the pairs that will come, pixels.
            height: The same.
            view: As it will be asked for.
            rounds: How often each rung is run.

        Raises:
            BackendError: The inference library failed.
        """
        from lunar_runtime.inference.in_time import InTime

        self._learn(_WARM_UP_PX, _WARM_UP_PX, view, InTime())
        for _ in range(rounds):
            self._learn(width, height, view, self._in_time)

    def _learn(self, width: int, height: int, view: ViewChoice, in_time: InTime) -> None:
        pair = practice_pair(width, height)
        refines: tuple[Refine, ...] = ("auto", "off")
        for refine in refines:
            longest_px = max(width, height, InferOptions.longest_px)
            options = InferOptions(
                view=view, intrinsics=pair.intrinsics, refine=refine, longest_px=longest_px
            )
            if refine == "off" and self.bundle.manifest.graph.output_set == "left":
                options = replace(options, view="left")
            read = partial(PairWork.read, pair.left, pair.right, None, options, (None, None))
            forget_views(self._backend)  # a pair of new views costs most
            in_time.learn(read, self.network)

    def check_golden(self) -> dict[str, float]:
        """Run the bundle's own pair and compare with the outputs it must give.

        Returns:
            Per output, the mean relative error.

        Raises:
            GateError: An output is further off than the manifest allows: this machine, or its
                inference library, computes something else.
        """
        where = f"{self._backend.name}, {self._backend.device}"
        forget_views(self._backend)  # the encoder is tested too
        try:
            return require_golden(self.bundle, self._run, where)
        finally:
            forget_views(self._backend)

    def _reload(self) -> bool:
        """Load the network again; False where the backend cannot."""
        if not isinstance(self._backend, Scrubbed):
            return False
        with self._one_at_a_time:
            return self._backend.reload()

    @property
    def restarts(self) -> int:
        """How often the network's process was started again; 0 without one."""
        return self._backend.restarts if isinstance(self._backend, WatchedBackend) else 0

    @property
    def costs(self) -> Costs:
        """What stages of pairs with deadlines took lately."""
        return self._in_time.costs

    @property
    def network(self) -> Network:
        """What a pair's steps need of the loaded network."""
        from lunar_runtime.inference.attempt import Network

        graph = self.bundle.manifest.graph
        return Network(self._see, self.model, max(graph.height, graph.width))

    def _see(self, work: PairWork, within_ms: float | None, *, last: bool = False) -> None:
        graph = self.bundle.manifest.graph
        if within_ms is None:
            due = self._tester.due
            meanwhile, self._meanwhile = self._meanwhile, None
            with work.clock.stage("self-test") if due else nullcontext():
                from lunar_runtime.inference.ahead import look_ahead

                # Beside the network, which may still be loading.
                look_ahead(work, meanwhile, last=last)
                if due:
                    self._tester.test_if_due()
        before = self.scrub_record.repeated
        run = partial(self._run_watched, within_ms=within_ms)
        done = self.close if last else None  # what comes next has the network's memory
        work.see(run, (graph.height, graph.width), self._depth_error, self._bounds, done)
        self._tester.count_pair()
        if self.scrub_record.repeated != before:
            work.notes += Notes.warn(
                "network: weights had changed in memory; they were loaded again from the verified "
                "file and the pair was computed again"
            )

    def _run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        return dict(self._run_watched(left, right).outputs)

    def _run_watched(
        self,
        left: NDArray[np.uint8],
        right: NDArray[np.uint8],
        within_ms: float | None = None,
    ) -> Ran:
        with self._one_at_a_time:
            before = self.activation_record
            pair = left[None, None], right[None, None]
            watched = self._backend if isinstance(self._backend, WatchedBackend) else None
            if watched is not None and within_ms is not None and math.isfinite(within_ms):
                outputs = watched.run_within(*pair, within_ms)
            else:
                outputs = self._backend.run(*pair)
            after = self.activation_record
        require_outputs(outputs, self.bundle, self._backend)
        breaches = after.breaches - before.breaches
        mended = after.mended - before.mended == breaches
        return Ran(outputs, after.last if breaches else "", mended)
