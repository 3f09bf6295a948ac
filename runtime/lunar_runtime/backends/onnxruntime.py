"""ONNX Runtime, on the CPU or through CUDA."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationBounds, ActivationRecord
from lunar_runtime.backends.held_weights import SLICES, HeldWeights
from lunar_runtime.backends.kind import AutoRule, BackendKind
from lunar_runtime.backends.onnxruntime_library import (
    PROVIDERS,
    choose_device,
    first_line,
    import_library,
)
from lunar_runtime.backends.onnxruntime_session import Loaded, load
from lunar_runtime.backends.scrubbing import ScrubRecord
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError
from lunar_runtime.files.held_memory import give_back, give_back_code

_log = logging.getLogger(__name__)


class _Computed(NamedTuple):
    """What the graph gave: its outputs, and which activation was out of bounds, in words."""

    outputs: dict[str, NDArray[np.float32]]
    breach: str


class OnnxRuntimeBackend:
    """A network in ONNX Runtime; see `Backend`.

    On the CPU its weights are checked after every pair. Where they changed, the network is loaded
    again from its verified file, and the pair is computed again. Where an activation was outside of
    its bounds, the pair is computed again too.

    Args:
        bundle: A verified bundle.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads; None lets ONNX Runtime take one per core.

    Raises:
        BackendError: ONNX Runtime or the device is not there.
        BundleError: ONNX Runtime cannot load the graph, or it is not what the manifest says.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None) -> None:
        ort = import_library()
        self.name = f"onnxruntime {ort.__version__}"
        self.device = choose_device(device, ort)
        self._names = [output.name for output in bundle.manifest.graph.outputs]
        self._bundle, self._threads = bundle, threads
        ranges = bundle.manifest.graph.activation_ranges
        self._bounds = ActivationBounds(ranges)
        self._seen = ActivationRecord(len(ranges), "" if ranges else "the bundle has no ranges")
        self._loaded: Loaded | None = load(ort, bundle, self.device, threads, self._appendix)
        held, reason = self._loaded.weights, self._loaded.reason
        self._record = ScrubRecord(held.bytes if held else 0, reason, slices=SLICES if held else 0)

    @property
    def scrub_record(self) -> ScrubRecord:
        """What checking the weights found so far."""
        return self._record

    @property
    def activation_record(self) -> ActivationRecord:
        """What watching the activations found so far."""
        return self._seen

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair; see `Backend.run` and `run_tensors`."""
        return self.run_tensors({"left": left, "right": right})

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run the graph, once more where an activation is out of bounds; see `TensorNetwork`.

        Raises:
            BackendError: The library failed; or weights changed, and again after they were loaded
                anew.
            BundleError: Weights changed, and the bundle is no longer what it was.
        """
        outputs, breach = self._checked(inputs)
        if not breach:
            return outputs
        _log.warning("an activation is out of bounds (%s); repeating the pair", breach)
        outputs, again = self._checked(inputs)
        self._seen = self._seen.after(breach, mended=not again)
        return outputs

    def _checked(self, inputs: Mapping[str, NDArray[Any]]) -> _Computed:
        """Run the graph with weights that are right."""
        try:
            outputs = self._compute(inputs)
        except BackendError:  # a changed shape makes the library fail
            if self._intact():
                raise
        else:
            if self._intact():
                return outputs
        _log.warning("weights changed in memory; loading them again and repeating the pair")
        self.reload()
        outputs = self._compute(inputs)
        self._record = replace(self._record, repeated=self._record.repeated + 1)
        if not self._intact():
            raise BackendError(
                f"{self.name}: weights change in memory as soon as they are loaded; the memory of "
                "this machine is not sound"
            )
        return outputs

    def reload(self) -> bool:
        """Load the network again from its verified file.

        Raises:
            BundleError: The bundle was altered since it was opened.
            BackendError: ONNX Runtime or the device failed.
        """
        self._loaded = load(
            import_library(), self._bundle, self.device, self._threads, self._appendix
        )
        self._record = replace(self._record, reloads=self._record.reloads + 1)
        return True

    def close(self) -> None:
        """Free the network, and the library's code as far as nobody runs it."""
        if self._loaded is None:  # by a lone pair, once it ran
            return
        self._loaded = None
        give_back()
        give_back_code()

    @property
    def weights(self) -> HeldWeights | None:
        """The weights in memory; None where they cannot be checked, or the network was closed."""
        return None if self._loaded is None else self._loaded.weights

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair with whatever is in memory; `run` is what checks it."""
        return self._compute({"left": left, "right": right}).outputs

    @property
    def _appendix(self) -> bytes:
        return self._bounds.appendix(halves=self._bundle.manifest.precision != "fp32")

    def _compute(self, inputs: Mapping[str, NDArray[Any]]) -> _Computed:
        loaded = self._loaded  # held here, should another thread close or reload it meanwhile
        if loaded is None:
            raise BackendError("this network was closed; load the bundle again")
        try:
            found = loaded.session.run([*self._names, *self._bounds.names], dict(inputs))
        except Exception as error:  # ORT's exceptions share no base of their own
            raise BackendError(
                f"{self.name} failed on {self.device}: {first_line(error)}"
            ) from error
        count = len(self._names)
        # Copies: what the library gives lies in its arena, and one array of it holds all of that.
        outputs = {
            name: np.array(values) for name, values in zip(self._names, found[:count], strict=True)
        }
        return _Computed(outputs, self._bounds.breach(found[count:]))

    def _intact(self) -> bool:
        """Whether the weights are what they were, as far as one pair's check tells."""
        held = self.weights
        if held is None:
            return True
        started, record = time.perf_counter(), self._record
        intact = held.intact(record.position)
        self._record = replace(
            record,
            pairs=record.pairs + intact,
            position=(record.position + intact) % SLICES,
            mismatches=record.mismatches + (not intact),
            check_ms=1e3 * (time.perf_counter() - started),
        )
        return intact


ONNXRUNTIME = BackendKind(
    title="ONNX Runtime",
    devices=tuple(PROVIDERS),
    load=OnnxRuntimeBackend,
    auto=AutoRule(rank=100, suits=lambda _: True, because="it runs every bundle"),
)
