"""A loaded network: what it is, and whether its outputs are what its bundle says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import activation_record_of
from lunar_runtime.backends.features import feature_record_of
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.backends.scrubbing import scrub_record_of
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError
from lunar_runtime.inference.self_test import SelfTestRecord

if TYPE_CHECKING:
    from lunar_runtime.inference.result import ModelInfo


def describe_network(bundle: Bundle, backend: Backend, self_test: SelfTestRecord) -> ModelInfo:
    """Which network this is, what it runs on, and what was found of it so far."""
    from lunar_runtime.inference.result import ModelInfo

    manifest = bundle.manifest
    return ModelInfo(
        bundle_path=bundle.path,
        bundle_digest=bundle.digest,
        student=manifest.student.id,
        precision=manifest.precision,
        gate=manifest.gate,
        output_set=manifest.graph.output_set,
        signed=bundle.signed,
        backend=backend.name,
        device=backend.device,
        ranges=bool(manifest.weight_ranges),
        weights=scrub_record_of(backend),
        activations=activation_record_of(backend),
        self_test=self_test,
        features=feature_record_of(backend),
    )


def require_outputs(
    outputs: Mapping[str, NDArray[np.float32]], bundle: Bundle, backend: Backend
) -> None:
    """Refuse outputs of other shapes or types than the bundle says.

    Raises:
        BackendError: One is.
    """
    for record in bundle.manifest.graph.outputs:
        found = outputs[record.name]
        if found.shape != record.shape or found.dtype != np.float32:
            raise BackendError(
                f"{backend.name} gave {record.name} as {found.dtype} {found.shape} "
                f"instead of float32 {record.shape}"
            )
