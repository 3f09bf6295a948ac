"""A network compiled by OpenVINO, in the precision that was asked for and no other."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.cores import usable_cores
from lunar_runtime.backends.openvino.library import Library
from lunar_runtime.bundles.choices import Arithmetic
from lunar_runtime.errors import BackendError

_PRECISION = "INFERENCE_PRECISION_HINT"
# Of the plugin's own names of layers: those that multiply with weights.
_PRODUCTS = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
_INTEGERS = ("i8", "u8")


@dataclass(frozen=True)
class Setting:
    """How a network is compiled and run.

    Attributes:
        device: By OpenVINO's name, as in `CPU`.
        arithmetic: What everything is computed in that the graph does not quantise.
        threads: Of the processor; None is one per core that the process may use.
    """

    device: str
    arithmetic: Arithmetic
    threads: int | None

    def properties(self, library: Library) -> dict[str, object]:
        """For `compile_model` and `import_model`; those that the device does not know are left out.

        One pair at a time, as fast as it can be; threads sleep between pairs (OpenVINO 2026.4.1
        took 1 ms of the processor in .5 s after a pair) and are not pinned, since on a shared
        machine a pinned thread waits for whoever else is on its core.
        """
        threads = self.threads
        if threads is None and usable_cores() < (os.cpu_count() or 1):
            threads = usable_cores()  # OpenVINO counts the machine's cores, not the group's share
        wanted: dict[str, object] = {
            _PRECISION: self.arithmetic,
            # Else weights in INT8 get their activations rounded in blocks of 32.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            wanted["INFERENCE_NUM_THREADS"] = threads
        known = library.core.get_property(self.device, "SUPPORTED_PROPERTIES")
        return {name: value for name, value in wanted.items() if name in known}


class CompiledNetwork:
    """A network in OpenVINO, ready to run; one pair at a time, from any thread.

    Args:
        library: OpenVINO.
        compiled: Its compiled model.
        setting: What was asked for.

    Raises:
        BackendError: OpenVINO compiled it in another precision.
    """

    def __init__(self, library: Library, compiled: Any, setting: Setting) -> None:
        self._compiled: Any = compiled
        self._lock = threading.Lock()
        self.arithmetic = str(compiled.get_property(_PRECISION).get_type_name())
        if self.arithmetic != setting.arithmetic:
            raise BackendError(
                f"{library} would compute in {self.arithmetic} on {setting.device.lower()} where "
                f"{setting.arithmetic} was asked for; use another device, or `backend` onnxruntime"
            )
        self._request: Any = compiled.create_infer_request()

    @classmethod
    def of_graph(cls, library: Library, graph: bytes, setting: Setting) -> CompiledNetwork:
        """Compile an ONNX graph.

        Raises:
            BackendError: See the class; or the device lacks the arithmetic.
            RuntimeError: OpenVINO cannot read or compile it.
        """
        library.check_arithmetic(setting.device, setting.arithmetic)
        model = library.core.read_model(graph)
        properties = setting.properties(library)
        return cls(library, library.core.compile_model(model, setting.device, properties), setting)

    @classmethod
    def of_blob(cls, library: Library, blob: bytes, setting: Setting) -> CompiledNetwork:
        """Take up what `export` gave.

        Raises:
            BackendError: See the class.
            RuntimeError: OpenVINO refuses it.
        """
        properties = setting.properties(library)
        stream = io.BytesIO(blob)
        return cls(library, library.core.import_model(stream, setting.device, properties), setting)

    def export(self) -> bytes:
        """The compiled network, for the same version of OpenVINO on the same processor."""
        found = self._compiled.export_model()
        return bytes(found.getvalue() if isinstance(found, io.BytesIO) else found)

    def run(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Run it once.

        Raises:
            RuntimeError: OpenVINO failed.
        """
        with self._lock:
            found = self._request.infer(dict(inputs))
            return {name: np.array(found[name]) for name in outputs}

    def tensors(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shape and NumPy type of every input and output, by name."""
        found = {}
        for port in (*self._compiled.inputs, *self._compiled.outputs):
            kind = np.dtype(port.get_element_type().to_dtype()).name
            for name in port.get_names():
                found[name] = tuple(port.get_shape()), kind
        return found

    def outputs(self) -> list[str]:
        """Names of the outputs."""
        return [port.get_any_name() for port in self._compiled.outputs]

    def products(self) -> dict[str, int]:
        """How many layers multiply in each precision, as OpenVINO says: `f32`, `u8`, …."""
        counts: dict[str, int] = {}
        for node in self._compiled.get_runtime_model().get_ops():
            info = node.get_rt_info()
            if "layerType" not in info or info["layerType"].value not in _PRODUCTS:
                continue
            kind = str(info["runtimePrecision"].value)
            counts[kind] = counts.get(kind, 0) + 1
        return counts

    def multiplies_integers(self) -> bool:
        """Whether any layer multiplies in 8 bits."""
        return any(kind in _INTEGERS for kind in self.products())

    def property(self, name: str) -> object:
        """What OpenVINO says of a property of the compiled network."""
        return self._compiled.get_property(name)

    def close(self) -> None:
        """Free it; it cannot run afterwards."""
        with self._lock:
            self._request = self._compiled = None
