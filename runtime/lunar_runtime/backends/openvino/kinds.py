"""OpenVINO as a backend: `auto` takes it for the bundles that were made and judged for it."""

from __future__ import annotations

from lunar_runtime.backends.kind import AutoRule, BackendKind
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.bundle import Bundle


def _load(bundle: Bundle, device: str, threads: int | None) -> Backend:
    from lunar_runtime.backends.openvino.backend import OpenvinoBackend

    return OpenvinoBackend(bundle, device, threads)


OPENVINO = BackendKind(
    title="OpenVINO",
    devices=("cpu", "gpu", "npu"),
    load=_load,
    auto=AutoRule(
        rank=50,
        suits=lambda bundle: bundle.manifest.target == "openvino",
        because="the bundle was made and judged for it",
    ),
)
