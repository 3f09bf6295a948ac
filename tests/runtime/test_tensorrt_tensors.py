"""An engine's tensors against the bundle's, and where each is placed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_runtime.backends.tensorrt.description import Tensor, parse_description
from lunar_runtime.backends.tensorrt.tensors import place_tensors
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.bundles.manifest import GraphRecord
from lunar_runtime.errors import BundleError

RECORDED = Path(__file__).parent / "engine_descriptions" / "s0_both_256_fp32.txt"


@pytest.fixture(scope="module")
def graph() -> GraphRecord:
    return Bundle.open(default_bundle_path()).manifest.graph


@pytest.fixture(scope="module")
def tensors() -> tuple[Tensor, ...]:
    """Of the engine that TensorRT-RTX built from the bundle in the package."""
    return parse_description(RECORDED.read_text()).tensors


def test_the_packaged_bundles_engine_binds(tensors: tuple[Tensor, ...], graph: GraphRecord) -> None:
    bindings = place_tensors(tensors, graph, False, "e.plan")
    assert [b.tensor.name for b in bindings] == [
        *(record.name for record in graph.inputs),
        *(record.name for record in graph.outputs),
    ]
    sizes = {b.tensor.name: b.bytes for b in bindings}
    assert sizes["left"] == 256 * 256
    assert sizes["pointmap_right"] == 256 * 256 * 3 * 4
    assert {b.tensor.name: b.numpy_type for b in bindings}["left"] is np.uint8


def test_an_integrated_gpu_gets_no_memory_of_its_own(
    tensors: tuple[Tensor, ...], graph: GraphRecord
) -> None:
    assert sum(b.device_bytes for b in place_tensors(tensors, graph, True, "e")) == 0
    apart = place_tensors(tensors, graph, False, "e")
    assert all(b.device_bytes == b.bytes for b in apart)
    assert sum(b.bytes for b in apart) == 2 * 256**2 * (1 + 4 * 4)


def test_the_order_of_the_engines_tensors_does_not_matter(
    tensors: tuple[Tensor, ...], graph: GraphRecord
) -> None:
    assert place_tensors(tensors[::-1], graph, True, "e") == place_tensors(
        tensors, graph, True, "e"
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dtype": "float16"}, "confidence_left is output float16 .* instead of output float32"),
        ({"shape": (1, 128, 256)}, r"is output float32 \(1, 128, 256\) on the device instead of"),
        ({"mode": "input"}, "is input float32 .* instead of output float32"),
        ({"location": "host"}, "on the host instead of .* on the device"),
        ({"name": "certainty"}, "has certainty, which the bundle's graph lacks"),
    ],
)
def test_an_engine_with_other_tensors_is_refused(
    tensors: tuple[Tensor, ...], graph: GraphRecord, change: dict[str, Any], reason: str
) -> None:
    changed = [
        msgspec.structs.replace(t, **change) if t.name == "confidence_left" else t for t in tensors
    ]
    with pytest.raises(BundleError, match=rf"^e\.plan: .*{reason}.*lunar-engine --overwrite"):
        place_tensors(tuple(changed), graph, True, "e.plan")


def test_an_engine_that_lacks_a_tensor_is_refused(
    tensors: tuple[Tensor, ...], graph: GraphRecord
) -> None:
    with pytest.raises(BundleError, match="lacks the output confidence_left"):
        place_tensors(tuple(t for t in tensors if t.name != "confidence_left"), graph, True, "e")
