"""What flips are tried on: a network, its pairs, the sites and the judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime import StereoRuntime
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import BackendError, UsageError
from numpy.typing import NDArray

from lunar_bench.timing.opencv_threads import opencv_threads
from lunar_bench.upsets.activations import ActivationSite
from lunar_bench.upsets.flip import Flip
from lunar_bench.upsets.judge import Judge, Told, refused
from lunar_bench.upsets.network_sites import (
    Inputs,
    InputSite,
    NetworkSite,
    Outputs,
    OutputSite,
    WeightSite,
)
from lunar_bench.upsets.record import GOLDEN, Harm, UpsetRecord
from lunar_bench.upsets.refinement_site import RefinementSite

_SAME = 1e-6  # of an output's mean size: another order of additions changes as much


class Tap:
    """A backend whose outputs are told; it keeps the images that it was asked for."""

    name, device = "told", "cpu"

    def __init__(self, compute: Callable[..., Outputs]) -> None:
        self.compute = compute
        self.asked: Inputs | None = None

    def run(self, left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Outputs:
        """See `Backend.run`."""
        self.asked = left, right
        return self.compute(left, right)

    def close(self) -> None:
        """Nothing to free."""


class Bench:
    """A network with pairs whose truth is known.

    Args:
        bundle: Of the network.
        backend: That runs it.
        judges: Of each pair.
        threads: Of the processor.

    Attributes:
        inputs: Of the network, pair by pair.
        clean: What the network gives for each.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: OnnxRuntimeBackend,
        judges: Sequence[Judge],
        threads: int | None,
    ) -> None:
        if backend.weights is None:
            raise UsageError("`bundle`: its weights cannot be checked on this machine")
        self.bundle, self.backend, self.judges = bundle, backend, judges
        self.held = backend.weights
        self._threads = threads
        self._tap = Tap(backend.compute)
        self._runtime = StereoRuntime(bundle, self._tap)
        self.inputs: list[Inputs] = []
        self.clean: list[Outputs] = []
        for judge in judges:
            judge.learn(self._runtime, "off")
            judge.learn(self._runtime, "auto")
            assert self._tap.asked is not None
            self.inputs.append(self._tap.asked)
            self.clean.append(backend.compute(*self._tap.asked))
            judge.learn_rounding(self._runtime)
        self._golden = bundle.golden()
        self._sites: dict[str, NetworkSite] = {}

    @classmethod
    @contextmanager
    def open(cls, path: Path | None, pairs: int, seed: int, threads: int | None) -> Iterator[Bench]:
        """A bundle with rendered pairs of its size.

        Raises:
            BundleError: It cannot be used.
        """
        bundle = Bundle.open(default_bundle_path() if path is None else path, keep_model=True)
        size = max(bundle.manifest.graph.height, bundle.manifest.graph.width)
        judges = [Judge(pair) for pair in rendered_pairs(pairs, size, seed)]
        backend = OnnxRuntimeBackend(bundle, "cpu", threads)
        with opencv_threads(threads), closing(backend):
            yield cls(bundle, backend, judges, threads)

    def draw(self, site: str, identity: str, pair: int, rng: np.random.Generator) -> Flip | None:
        """A random bit of a site; None where the pair has none there."""
        if site == "refinement":
            return self._refinement.draw(identity, pair, rng)
        return self._site(site).draw(identity, pair, rng)

    def harm(self, flips: Sequence[Flip]) -> Harm:
        """What flips of one pair and site do together."""
        judge = self.judges[flips[0].pair]
        if flips[0].site == "refinement":
            with self._refinement.flipped(flips[0]):
                return judge.harm(self._infer(flips[0].pair, self.clean[flips[0].pair]), "auto")
        try:
            outputs = self._site(flips[0].site).outputs(flips, flips[0].pair)
        except BackendError as error:  # a flipped shape, say: the library refuses
            return judge.harm(refused(error), "off")
        if self._same(outputs, self.clean[flips[0].pair]):
            return Harm(moved_deg=0.0, more_missed=0.0, lost=0.0, said=[])
        return judge.harm(self._infer(flips[0].pair, outputs, refine=False), "off")

    def record(self, flip: Flip) -> UpsetRecord:
        """What one flip does."""
        harm = self.harm([flip])
        refined = None
        guards = self.guards(flip)
        if flip.site == "refinement" or harm.failed:
            refined = harm
        elif not harm.quiet:
            outputs = self._site(flip.site).outputs([flip], flip.pair)
            refined = self.judges[flip.pair].harm(self._infer(flip.pair, outputs), "auto")
            guards += self._golden_notices(flip)
        return UpsetRecord(
            id=flip.id, flip=flip, group=1, harm=harm, refined=refined, guards=guards
        )

    def guards(self, flip: Flip) -> list[str]:
        """Guards of the flip's own place that notice it."""
        return [] if flip.site == "refinement" else self._site(flip.site).guards(flip)

    def _infer(self, pair: int, outputs: Outputs, *, refine: bool = True) -> Told:
        self._tap.compute = lambda *_: {name: values.copy() for name, values in outputs.items()}
        return self.judges[pair].infer(self._runtime, "auto" if refine else "off")

    def _golden_notices(self, flip: Flip) -> list[str]:
        site = self._site(flip.site)
        if not isinstance(site, WeightSite):
            return []
        golden = self._golden
        outputs = site.golden([flip], (golden.left[None, None], golden.right[None, None]))
        start, step = golden.step // 2, golden.step
        errors = {
            name: relative_error(outputs[name][:, start::step, start::step], expected)[1]
            for name, expected in golden.outputs.items()
        }
        off = any(not error <= golden.tolerances[name] for name, error in errors.items())
        return [GOLDEN] if off else []

    def _same(self, outputs: Outputs, clean: Outputs) -> bool:
        for name, values in outputs.items():
            size = float(np.abs(clean[name]).mean())
            with np.errstate(invalid="ignore", over="ignore"):
                if not float(np.abs(values - clean[name]).max()) <= _SAME * size:
                    return False
        return True

    def _site(self, name: str) -> NetworkSite:
        if name not in self._sites:
            made: dict[str, Callable[[], NetworkSite]] = {
                "weights": lambda: WeightSite(self.backend, self.inputs),
                "activations": lambda: ActivationSite(self.bundle, self.inputs, self._threads),
                "inputs": lambda: InputSite(self.backend, self.inputs),
                "outputs": lambda: OutputSite(self.clean),
            }
            self._sites[name] = made[name]()
        return self._sites[name]

    @cached_property
    def _refinement(self) -> RefinementSite:
        return RefinementSite(lambda pair: self._infer(pair, self.clean[pair]), len(self.judges))
