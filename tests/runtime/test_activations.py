"""Activations out of bounds: the network is run again, and what persists drops its word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_runtime import StereoRuntime, default_bundle_path
from lunar_runtime.backends.activations import (
    MARGIN,
    ActivationBounds,
    ActivationRecord,
    activation_record_of,
)
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend, _Computed
from lunar_runtime.backends.watched import WatchedBackend
from lunar_runtime.bundles.bundle import Bundle, write_bundle
from lunar_runtime.bundles.manifest_file import decode_manifest
from lunar_runtime.bundles.protobuf import fields, message, number, text
from lunar_runtime.errors import BundleError
from lunar_runtime.files.sealed_json import seal
from numpy.typing import NDArray

from .images import texture, unsaturated

POINT = "left_unit"  # the left image's grey over 255
WIDE, NARROW = {POINT: (0.0, 1.0)}, {POINT: (0.0, 0.1)}
DARK, BRIGHT = (np.full((1, 1, 64, 64), grey, np.uint8) for grey in (20, 255))


def with_ranges(folder: Path, out: Path, ranges: Mapping[str, tuple[float, float]]) -> Bundle:
    bundle = Bundle.open(folder)
    graph = msgspec.structs.replace(bundle.manifest.graph, activation_ranges=dict(ranges))
    manifest = msgspec.structs.replace(bundle.manifest, graph=graph)
    return write_bundle(out, manifest, {name: bundle.read(name) for name in manifest.files})


@pytest.fixture
def narrow(bundles: dict[str, Path], tmp_path: Path) -> Bundle:
    return with_ranges(bundles["both"], tmp_path / "narrow", NARROW)


def test_bounds_lie_so_many_spans_beyond_the_range() -> None:
    bounds = ActivationBounds({"a": (-1.0, 1.0), "b": (3.0, 4.0)})
    edge = 1.0 + 2 * MARGIN
    assert bounds.breach([-edge, edge, 3.5, 3.5]) == ""
    assert bounds.breach([-1, edge + 0.1, 3.5, 3.5]) == "11.1 at a, -11 to 11 are ordinary"
    assert bounds.breach([-1, 1, -2.5, 3.5]) == "-2.5 at b, -2 to 9 are ordinary"
    for wrong in (np.nan, np.inf, -np.inf):
        assert "at a" in bounds.breach([wrong, wrong, 3.5, 3.5])
    assert ActivationBounds({}).appendix(halves=True) == b""


def test_what_is_written_as_a_message_is_read_as_one() -> None:
    parts = list(fields(message((1, b"x" * 300), (3, 0), (20, 1 << 40)), (1, 3, 20)))
    assert [key for key, _ in parts] == [1, 3, 20]
    assert text(parts[0][1]) == "x" * 300
    assert (number(parts[1][1]), number(parts[2][1])) == (0, 1 << 40)


def test_outputs_are_those_of_a_network_that_is_not_watched(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    watched = OnnxRuntimeBackend(with_ranges(bundles["both"], tmp_path / "b", WIDE), "cpu", 1)
    plain = OnnxRuntimeBackend(Bundle.open(bundles["both"]), "cpu", 1)
    expected = plain.run(DARK, BRIGHT)
    found = watched.run(DARK, BRIGHT)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert watched.activation_record == ActivationRecord(points=1)
    assert plain.activation_record.reason == "the bundle has no ranges"


def test_what_is_out_of_bounds_is_run_again(
    narrow: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = OnnxRuntimeBackend(narrow, "cpu", 1)
    computed, ran = backend._compute, 0

    def counted(inputs: Mapping[str, NDArray[Any]]) -> _Computed:
        nonlocal ran
        ran += 1
        return computed({"left": BRIGHT, "right": BRIGHT} if ran == 2 else inputs)

    backend.run(DARK, DARK)
    assert backend.activation_record.breaches == 0
    monkeypatch.setattr(backend, "_compute", counted)
    backend.run(DARK, DARK)
    expected = backend.run(DARK, DARK)  # the second: the library sees another image, once
    assert ran == 3
    assert backend.activation_record == ActivationRecord(
        points=1, breaches=1, mended=1, last="1 at left_unit, -0.5 to 0.6 are ordinary"
    )
    np.testing.assert_array_equal(
        expected["confidence_left"], backend.run(DARK, DARK)["confidence_left"]
    )
    backend.run(BRIGHT, DARK)
    assert (backend.activation_record.breaches, backend.activation_record.mended) == (2, 1)


def test_a_result_says_what_was_mended_and_what_persists(narrow: Bundle) -> None:
    left = unsaturated(texture(0))
    images = left // 4, np.roll(left, (2, 3), (0, 1)) // 4
    with StereoRuntime.load(narrow, "onnxruntime", threads=1, self_test="never") as runtime:
        runtime_backend = runtime._backend
        assert isinstance(runtime_backend, OnnxRuntimeBackend)
        computed, ran = runtime_backend._compute, 0

        def once(inputs: Mapping[str, NDArray[Any]]) -> _Computed:
            nonlocal ran
            ran += 1
            return computed(inputs)._replace(breach="9 at x" if ran == 1 else "")

        runtime_backend._compute = once  # type: ignore[method-assign]
        mended = runtime.infer(*images, refine="off")
        said = "network: an activation was out of bounds (9 at x); the pair was computed again"
        assert said in mended.warnings
        assert mended.alarms == ()

        def always(inputs: Mapping[str, NDArray[Any]]) -> _Computed:
            return computed(inputs)._replace(breach="9 at x")

        runtime_backend._compute = always  # type: ignore[method-assign]
        broken = runtime.infer(*images, refine="off")
        (alarm,) = broken.alarms
        assert alarm.monitor == "network"
        assert alarm.saw == "an activation is out of bounds: 9 at x"
        assert broken.verdict == "guessed"
        assert broken.model is not None
        assert (broken.model.activations.breaches, broken.model.activations.mended) == (2, 1)
        del runtime_backend._compute


def test_a_process_of_its_own_tells_of_it(narrow: Bundle) -> None:
    backend = WatchedBackend(narrow, threads=1)
    try:
        assert activation_record_of(backend).points == 1
        backend.run(DARK, DARK)
        assert activation_record_of(backend).breaches == 0
        backend.run(BRIGHT, DARK)
        found = activation_record_of(backend)
        assert (found.breaches, found.mended) == (1, 0)
        backend._restart()
        backend.wait()
        backend.run(DARK, DARK)
        after = activation_record_of(backend)
        assert (after.points, after.breaches, after.last) == (1, 1, found.last)
    finally:
        backend.close()


def test_the_packaged_network_is_watched() -> None:
    ranges = Bundle.open(default_bundle_path()).manifest.graph.activation_ranges
    assert len(ranges) > 50
    assert all(low < high for low, high in ranges.values())


def test_a_point_that_the_graph_lacks_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    bundle = with_ranges(bundles["both"], tmp_path / "b", {"nowhere": (0.0, 1.0)})
    with pytest.raises(BundleError, match="cannot load it"):
        OnnxRuntimeBackend(bundle, "cpu", 1)


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        ({POINT: (1.0, 0.0)}, "left_unit from 1 to 0 is no range"),
        ({POINT: (0.0, 1e999)}, "range"),
        ({str(i): (0.0, 1.0) for i in range(10_001)}, "10001 tensors are too many"),
    ],
)
def test_ranges_that_are_none_are_refused(
    bundles: dict[str, Path], ranges: dict[str, tuple[float, float]], problem: str
) -> None:
    manifest = Bundle.open(bundles["both"]).manifest
    graph = msgspec.structs.replace(manifest.graph, activation_ranges=ranges)
    changed = msgspec.structs.replace(manifest, graph=graph, format_version=5)
    with pytest.raises(BundleError, match=problem):
        decode_manifest(seal(msgspec.json.format(msgspec.json.encode(changed)) + b"\n"))


def test_an_older_version_has_none(make_manifest: Callable[..., Any]) -> None:
    manifest = make_manifest("both")
    graph = msgspec.structs.replace(manifest.graph, activation_ranges=WIDE)
    files = {name: {"sha256": "0" * 64, "bytes": 1} for name in ("model.onnx", "golden.npz")}
    changed = msgspec.structs.replace(manifest, graph=graph, format_version=3)
    text = msgspec.json.encode({**msgspec.to_builtins(changed), "files": files})
    with pytest.raises(BundleError, match="activation_ranges in format_version 3"):
        decode_manifest(seal(msgspec.json.format(text, indent=2) + b"\n"))
