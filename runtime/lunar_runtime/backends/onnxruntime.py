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
    FATAL,
    PROVIDERS,
    choose_device,
    find_cuda,
    first_line,
    import_library,
    no_cuda,
)
from lunar_runtime.backends.optimised import (
    fill,
    held_weights,
    memory_file,
    optimise,
    session_of,
)
from lunar_runtime.backends.scrubbing import ScrubRecord
from lunar_runtime.bundles.bundle import Bundle, Model
from lunar_runtime.errors import BackendError, BundleError
from lunar_runtime.files.held_memory import give_back, give_back_code

_ON_DEVICE = "they are in the GPU's memory"
# The graph that ONNX Runtime rewrites is one message, of 2 GB at most.
_TOO_LARGE = "they are too large for one file"
_log = logging.getLogger(__name__)


class _Loaded(NamedTuple):
    """A session, and what must live as long as it does.

    The session comes last: a tuple's items are freed from the last one on, and it must go first.

    Attributes:
        values: Weights that it was given and does not own.
        weights: Where they can be checked; None where they cannot.
        reason: Why they cannot.
        session: ONNX Runtime's.
    """

    values: list[Any]
    weights: HeldWeights | None
    reason: str
    session: Any


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
        self._loaded: _Loaded | None = _load(ort, bundle, self.device, threads, self._appendix)
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
        self._loaded = _load(
            import_library(), self._bundle, self.device, self._threads, self._appendix
        )
        self._record = replace(self._record, reloads=self._record.reloads + 1)
        return True

    def close(self) -> None:
        """Free the network."""
        self._loaded = None
        give_back()

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
        outputs = dict(zip(self._names, found[:count], strict=True))
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


def _load(ort: Any, bundle: Bundle, device: str, threads: int | None, appendix: bytes) -> _Loaded:
    if device == "cuda":
        find_cuda(ort)
    model = bundle.model()
    try:
        if device == "cpu" and not model.weights:
            with memory_file() as given:
                fill(given, model.content, appendix)
                del model  # the bytes: the library makes copies of its own
                return _load_held(ort, bundle, given, threads)
        options, values = _options(ort, bundle, threads, model)
        content = model.content + appendix
        session = ort.InferenceSession(content, options, providers=[PROVIDERS[device]])
        session.disable_fallback()
        session._model_bytes = None  # the graph's bytes, held for the fallback
    except Exception as error:  # ORT's exceptions share no base of their own
        if device == "cuda" and "CUDA" in str(error):
            raise BackendError(no_cuda(ort, first_line(error))) from error
        raise BundleError(
            f"{bundle.model_path}: onnxruntime {ort.__version__} cannot load it "
            f"({first_line(error)}); re-create the bundle with lunar-export, or update onnxruntime"
        ) from error
    if session.get_providers()[0] != PROVIDERS[device]:
        # A missing driver or cuDNN makes ORT take the CPU and only log it.
        raise BackendError(no_cuda(ort, "the GPU, its driver or cuDNN is not there"))
    return _Loaded(values, None, _TOO_LARGE if device == "cpu" else _ON_DEVICE, session)


def _load_held(ort: Any, bundle: Bundle, given: int, threads: int | None) -> _Loaded:
    """A session on the CPU whose weights can be checked, of an ONNX file in memory."""
    with memory_file() as made:
        give_back_code()
        optimise(ort, given, made, _options(ort, bundle, threads)[0])
        give_back()
        give_back_code()
        weights = held_weights(made)
        session, values = session_of(ort, made, _options(ort, bundle, threads)[0], weights)
    give_back()
    return _Loaded(values, weights, "", session)


def _options(
    ort: Any, bundle: Bundle, threads: int | None, model: Model | None = None
) -> tuple[Any, list[Any]]:
    """Of a session; and the weights that `model` has outside the graph, to be held with it."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    options.inter_op_num_threads = 1
    # S0, 256 px: it holds 25 MiB of activations while it runs. With buffers used again it holds 40,
    # because each lives from its first use to its last; without an arena 44, in pieces that the C
    # library cannot give back. A pattern plans one block besides, of 22 MiB. S2 `left`, 512 px: a
    # peak of 668 MiB instead of 801, in the same time; between pairs 668 instead of 500 to 520.
    options.enable_mem_pattern = False
    options.enable_mem_reuse = False
    # Else ONNX Runtime 1.32 rounds the activations of layers whose weights alone are INT8.
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    # Threads that wait for work sleep. Beside other jobs the default, to spin, takes 1.46 times the
    # time and 1.52 times the processor's (S0, two threads on two cores).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if bundle.manifest.target == "tensorrt":
        # Q/DQ as written. ONNX Runtime 1.32 would quantise biases too, in scales that FP16 lacks:
        # the error of a pointmap grows from 5e-4 to 6e-3 (a small student, random weights).
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    values: list[Any] = []
    if model is not None and model.weights:
        # Else ONNX Runtime would look for their file itself.
        values = [ort.OrtValue.ortvalue_from_numpy(v) for v in model.weights.values()]
        options.add_external_initializers(list(model.weights), values)
    return options, values


ONNXRUNTIME = BackendKind(
    title="ONNX Runtime",
    devices=tuple(PROVIDERS),
    load=OnnxRuntimeBackend,
    auto=AutoRule(rank=100, suits=lambda _: True, because="it runs every bundle"),
)
