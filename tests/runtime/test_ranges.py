"""A weight outside of what its manifest says is refused; a bundle without says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path, write_bundle
from lunar_runtime.bundles.manifest import MANIFEST_NAME, Manifest
from lunar_runtime.bundles.manifest_file import encode_manifest
from lunar_runtime.bundles.onnx_file import read_onnx
from lunar_runtime.bundles.ranges import range_contradiction
from lunar_runtime.bundles.reseal import reseal_bundle
from lunar_runtime.errors import BundleError
from onnx import numpy_helper

NAME = "pointmap_left_constant"


def with_weight(source: Path, name: str, value: float) -> dict[str, bytes]:
    """Files of a bundle, one value of one weight changed."""
    model = onnx.load(source / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == name:
            values = numpy_helper.to_array(tensor).copy()
            values.reshape(-1)[5] = value
            tensor.CopyFrom(numpy_helper.from_array(values, name))
    golden = (source / "golden.npz").read_bytes()
    return {"model.onnx": model.SerializeToString(), "golden.npz": golden}


def relabel(bundle: Bundle, **changes: object) -> Bundle:
    """The same bundle under a manifest that says otherwise."""
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    (bundle.path / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
    return Bundle.open(bundle.path)


def test_a_weight_of_1e35_is_refused(
    bundles: dict[str, Path], make_manifest: Callable[..., Manifest], tmp_path: Path
) -> None:
    true = Bundle.open(bundles["left"])
    files = with_weight(bundles["left"], NAME, 1e35)
    wild = write_bundle(tmp_path / "b", make_manifest("left"), files)
    false = relabel(wild, weight_ranges=true.manifest.weight_ranges)
    with pytest.raises(BundleError, match=rf"weight {NAME} holds 1e\+35, outside of .* as the man"):
        false.model()


def test_ranges_are_those_of_the_weights(bundles: dict[str, Path]) -> None:
    bundle = Bundle.open(bundles["left"])
    tensors = onnx.load(bundles["left"] / "model.onnx").graph.initializer
    for tensor in tensors:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            low, high = bundle.manifest.weight_ranges[tensor.name]
            assert (low, high) == (values.min(), values.max())
    assert not bundle.doubts


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_with_weights_that_are_not_finite_is_not_written(
    bundles: dict[str, Path],
    make_manifest: Callable[..., Manifest],
    tmp_path: Path,
    value: float,
) -> None:
    files = with_weight(bundles["left"], NAME, value)
    with pytest.raises(BundleError, match=f"weight {NAME} holds values that are not finite"):
        write_bundle(tmp_path / "b", make_manifest("left"), files)
    assert not (tmp_path / "b").exists()


def test_ranges_of_other_weights_are_a_contradiction(bundles: dict[str, Path]) -> None:
    graph = read_onnx((bundles["left"] / "model.onnx").read_bytes())
    ranges = Bundle.open(bundles["left"]).manifest.weight_ranges
    assert range_contradiction(graph, {}, ranges) is None
    more = range_contradiction(graph, {}, {**ranges, "other": (0.0, 1.0)})
    assert more == "the graph has no weight other, of which the manifest says a range"
    less = {name: both for name, both in ranges.items() if name != NAME}
    assert range_contradiction(graph, {}, less) == f"the manifest has no range of weight {NAME}"


def test_a_bundle_without_ranges_loads_and_says_so(
    bundles: dict[str, Path], make_manifest: Callable[..., Manifest], tmp_path: Path
) -> None:
    files = with_weight(bundles["left"], "none", 0.0)
    old = relabel(write_bundle(tmp_path / "b", make_manifest("left"), files), weight_ranges={})
    old.model()
    assert old.doubts == (
        "it has no ranges to hold its weights to; re-create it with lunar-export",
    )
    new = reseal_bundle(old.path, tmp_path / "new")
    assert not new.doubts
    assert new.manifest.files == old.manifest.files


def test_the_default_bundle_has_ranges() -> None:
    assert len(Bundle.open(default_bundle_path()).manifest.weight_ranges) > 200
