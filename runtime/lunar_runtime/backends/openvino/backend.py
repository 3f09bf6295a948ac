"""OpenVINO as a backend: a bundle's graph on the processor, or on a GPU or NPU of its makers'."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.compiled import (
    CacheKey,
    cache_folder,
    instructions,
    read_blob,
    write_blob,
)
from lunar_runtime.backends.openvino.graph import read_graph
from lunar_runtime.backends.openvino.library import Library, import_library
from lunar_runtime.backends.openvino.network import CompiledNetwork, Setting
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import BackendError, BundleError

_log = logging.getLogger(__name__)


class OpenvinoBackend:
    """A network in OpenVINO; see `Backend`.

    It computes in float32, unless the bundle was judged in another arithmetic in OpenVINO: what
    OpenVINO would choose by itself costs slopes. Pairs give the same bits from run to run.

    Attributes:
        network: What runs; None once closed.

    Args:
        bundle: A verified bundle.
        device: `auto`, `cpu`, `gpu` or `npu`; `auto` is the processor.
        threads: Of the processor; None is one per core.

    Raises:
        BackendError: OpenVINO or the device is not there, or does not compute in the bundle's
            precision.
        BundleError: OpenVINO cannot load the graph, or it is not what the manifest says; or a
            compiled network in the bundle was altered.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", threads: int | None = None) -> None:
        library = import_library()
        arithmetic = bundle.manifest.graph.arithmetic
        setting = Setting(library.find_device(device), arithmetic, threads)
        library.check_arithmetic(setting.device, arithmetic)
        self.name = f"{library}, {arithmetic}"
        self.device = setting.device.split(".")[0].lower()
        self._names = [output.name for output in bundle.manifest.graph.outputs]
        self.network: CompiledNetwork | None = _load(library, bundle, setting, self.name)

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair; see `Backend.run`."""
        return self.run_tensors({"left": left, "right": right})

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run the graph once; see `TensorNetwork`."""
        if self.network is None:
            raise BackendError("this network was closed; load the bundle again")
        try:
            return self.network.run(inputs, self._names)
        except RuntimeError as error:
            raise BackendError(
                f"{self.name} failed on {self.device}: {_last_line(error)}"
            ) from error

    def close(self) -> None:
        """Free the network."""
        if self.network is not None:
            self.network.close()
            self.network = None


def _load(library: Library, bundle: Bundle, setting: Setting, name: str) -> CompiledNetwork:
    graph = read_graph(bundle)
    # What a GPU or NPU compiled depends on its driver, which the key does not know.
    cpu = setting.device == "CPU"
    folder = cache_folder(bundle, "openvino", in_bundle=True) if cpu else None
    key = None if folder is None else _key(bundle, library, setting)
    try:
        blob = read_blob(folder, key) if folder is not None and key is not None else None
        if blob is not None:
            network = CompiledNetwork.of_blob(library, blob, setting)
            _check(network, bundle, name)
            return network
        network = CompiledNetwork.of_graph(library, graph, setting)
        _check(network, bundle, name)
        if bundle.manifest.precision != "fp32":
            _check_golden(network, bundle, name)
    except RuntimeError as error:
        if isinstance(error, BackendError):
            raise
        raise BundleError(
            f"{bundle.model_path}: {library} cannot load it ({_last_line(error)}); re-create the "
            "bundle with lunar-export --target openvino, or use `backend` onnxruntime"
        ) from error
    if folder is not None and key is not None:
        _log.info("compiled for %s", key.processor)
        write_blob(folder, key, network.export())
    return network


def _key(bundle: Bundle, library: Library, setting: Setting) -> CacheKey:
    return CacheKey(
        build=library.build,
        processor=str(library.core.get_property("CPU", "FULL_DEVICE_NAME")),
        instructions=instructions(),
        arithmetic=setting.arithmetic,
        model_sha256=bundle.manifest.files[bundle.manifest.graph.file].sha256,
    )


def _check(network: CompiledNetwork, bundle: Bundle, name: str) -> None:
    """Hold what was loaded to the manifest."""
    manifest = bundle.manifest
    found = network.tensors()
    for record in (*manifest.graph.inputs, *manifest.graph.outputs):
        if found.get(record.name) != (record.shape, record.dtype):
            raise BundleError(
                f"{bundle.model_path}: {record.name} is not {record.dtype} {record.shape} as the "
                "manifest says; re-create the bundle with lunar-export"
            )
    made_for_it = manifest.target == "openvino" and manifest.precision == "int8"
    if made_for_it and not network.multiplies_integers():
        raise BackendError(
            f"{name} multiplies nothing of this INT8 bundle in 8 bits here; use a bundle of "
            "another precision"
        )


def _check_golden(network: CompiledNetwork, bundle: Bundle, name: str) -> None:
    """Run the bundle's own pair, once, before what was compiled is trusted or kept.

    Without VNNI, OpenVINO 2026.4.1 saturates sums of 8-bit products of graphs that were made for
    other targets, and says nothing: up to a quarter of a layer's output.
    """
    golden = bundle.golden()
    images = {"left": golden.left[None, None], "right": golden.right[None, None]}
    found = network.run(images, list(golden.tolerances))
    start = golden.step // 2
    for output, allowed in golden.tolerances.items():
        thinned = found[output][:, start :: golden.step, start :: golden.step]
        _, error = relative_error(thinned, golden.outputs[output])
        if not error <= allowed:
            raise BackendError(
                f"{name} gives {output} of this bundle's own pair with a mean error of "
                f"{error:.1e} here, {allowed:.1e} is allowed; use `backend` onnxruntime, or a "
                "bundle made with lunar-export --target openvino"
            )


def _last_line(error: BaseException) -> str:
    """OpenVINO's messages begin with where in its source they come from."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
