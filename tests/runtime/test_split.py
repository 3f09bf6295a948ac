"""Bundles in two graphs: what they give, and what is kept of a view."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime import Bundle, StereoRuntime, StereoStream
from lunar_runtime.backends.kind import BackendKind
from lunar_runtime.backends.loading import LoadingBackend
from lunar_runtime.backends.onnxruntime import OnnxRuntimeBackend
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.split import SplitBackend
from lunar_runtime.backends.watched import WatchedBackend
from lunar_runtime.errors import BackendError, UsageError
from lunar_runtime.files.descent_file import PoseErrors
from numpy.typing import NDArray

from .descents import UP, camera, some_frames
from .images import encode, texture, unsaturated
from .split_plane import write_split_plane

VIEWS = [texture(seed)[None, None] for seed in range(5)]

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed by a test."""
    return write_split_plane(tmp_path_factory.mktemp("split") / "bundle")


def load(path: Path, keep_views: int = 0, backend: str = "onnxruntime") -> SplitBackend:
    loaded = select_backend(Bundle.open(path), backend, "cpu", 1, keep_views=keep_views)
    assert isinstance(loaded, SplitBackend)
    return loaded


def counts(backend: SplitBackend) -> tuple[int, int]:
    record = backend.feature_record
    return record.encoded, record.reused


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_two_graphs_give_what_one_gives(
    split: Path, bundles: dict[str, Path], backend: str, tmp_path: Path
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    whole = select_backend(Bundle.open(bundles["both"]), backend, "cpu", 1)
    parts = load(write_split_plane(tmp_path / "own"), 3, backend)
    for left, right in ((0, 1), (1, 2), (0, 2)):
        found = parts.run(VIEWS[left], VIEWS[right])
        for name, expected in whole.run(VIEWS[left], VIEWS[right]).items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    assert counts(parts) == (3, 3)


def test_of_a_sequence_every_view_is_encoded_once(split: Path) -> None:
    backend = load(split, 2)
    for i in range(4):
        backend.run(VIEWS[i + 1], VIEWS[i])
    assert counts(backend) == (5, 3)
    held = backend.feature_record
    assert held.views == 2
    assert held.held_bytes == 2 * (64 * 64 + 4 * 64 * 64)  # pixels and tokens


def test_the_view_that_was_not_asked_for_longest_goes_first(split: Path) -> None:
    backend = load(split, 2)
    backend.run(VIEWS[0], VIEWS[1])
    backend.run(VIEWS[0], VIEWS[2])
    backend.run(VIEWS[0], VIEWS[2])
    assert counts(backend) == (3, 3)
    backend.run(VIEWS[1], VIEWS[1])
    assert counts(backend) == (4, 4)


def test_without_room_both_views_of_every_pair_are_encoded(split: Path) -> None:
    backend = load(split)
    backend.run(VIEWS[0], VIEWS[1])
    backend.run(VIEWS[0], VIEWS[1])
    assert counts(backend) == (4, 0)
    assert backend.feature_record.held_bytes == 0
    with pytest.raises(UsageError, match=r"^`keep_views` -1: needs to be 0 or more views$"):
        load(split, -1)


def test_one_other_pixel_is_another_view(split: Path) -> None:
    backend = load(split, 4)
    other = VIEWS[0].copy()
    other[0, 0, 31, 17] ^= 1
    backend.run(VIEWS[0], VIEWS[1])
    found = backend.run(other, VIEWS[1])["confidence_left"]
    assert counts(backend) == (3, 1)
    np.testing.assert_array_equal(found, load(split).run(other, VIEWS[1])["confidence_left"])


def test_features_that_changed_in_memory_are_made_again(split: Path) -> None:
    backend = load(split, 2)
    clean = backend.run(VIEWS[0], VIEWS[1])
    for kept in backend._cache._kept.values():
        kept.features["tokens"].view(np.uint32)[0, 0, 5, 5] ^= 1 << 30
    again = backend.run(VIEWS[0], VIEWS[1])
    assert backend.feature_record.changed == 2
    np.testing.assert_array_equal(again["confidence_left"], clean["confidence_left"])


def test_damaged_weights_of_the_encoder_cost_all_features(
    split: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = load(split, 4)
    clean = load(split).run(VIEWS[2], VIEWS[0])
    backend.run(VIEWS[0], VIEWS[1])
    encoder = backend._encoder
    assert isinstance(encoder, OnnxRuntimeBackend) and encoder.weights is not None
    encoder.weights.write(0, b"\x00\x00\x80\x3f")  # 1 / 255 becomes 1
    with caplog.at_level(logging.WARNING):
        found = backend.run(VIEWS[2], VIEWS[0])
    np.testing.assert_array_equal(found["confidence_left"], clean["confidence_left"])
    record = backend.scrub_record
    assert (record.mismatches, record.reloads, record.repeated) == (1, 1, 1)
    assert record.held_bytes > 4 * 3 * 64 * 64
    assert backend.feature_record.views == 2
    assert "weights changed in memory" in caplog.text


def test_the_golden_pair_is_encoded_anew_and_leaves_nothing(split: Path) -> None:
    with StereoRuntime.load(split, "onnxruntime", threads=1) as runtime:
        record = runtime.model.features
        assert record is not None
        assert (record.most, record.views, record.encoded, record.reused) == (12, 0, 2, 0)
        runtime.check_golden()
        record = runtime.model.features
        assert record is not None and (record.encoded, record.reused) == (4, 0)
    with StereoRuntime.load(split, "onnxruntime", threads=1, self_test="never") as runtime:
        runtime.learn_costs(64, 64, rounds=1)
        record = runtime.model.features
        assert record is not None and record.reused == 0


def test_one_graph_keeps_nothing(bundles: dict[str, Path]) -> None:
    with StereoRuntime.load(bundles["both"], "onnxruntime", threads=1) as runtime:
        assert runtime.model.features is None


@pytest.mark.parametrize("kind", [LoadingBackend, WatchedBackend])
def test_a_network_that_loads_or_is_watched_keeps_views_too(
    split: Path, kind: Callable[..., Any]
) -> None:
    backend = kind(Bundle.open(split, keep_model=True), threads=1, keep_views=2)
    try:
        plain = load(split).run(VIEWS[0], VIEWS[1])
        for _ in range(2):
            found = backend.run(VIEWS[0], VIEWS[1])
            np.testing.assert_array_equal(found["confidence_left"], plain["confidence_left"])
        backend.forget_views()
        found = backend.run(VIEWS[0], VIEWS[1])
        np.testing.assert_array_equal(found["confidence_left"], plain["confidence_left"])
        if kind is LoadingBackend:
            assert counts(backend) == (4, 2)
    finally:
        backend.close()


def test_a_backend_of_whole_networks_is_named(split: Path) -> None:
    class Whole:
        name, device = "whole 1.0", "cpu"

        def run(self, left: Image, right: Image) -> dict[str, NDArray[np.float32]]:
            return {}

        def close(self) -> None: ...

    kind = BackendKind("Whole", ("cpu",), lambda *_: Whole())
    with pytest.raises(BackendError, match=r"in two graphs, which Whole's backend does not run"):
        SplitBackend.load(kind, Bundle.open(split), "auto", None)


def test_what_was_loaded_is_freed_where_the_other_graph_fails(split: Path) -> None:
    closed = []

    class Part(OnnxRuntimeBackend):
        def close(self) -> None:
            closed.append(self.name)
            super().close()

    def load_part(bundle: Bundle, device: str, threads: int | None) -> OnnxRuntimeBackend:
        if bundle.part == "decoder":
            raise BackendError("no memory")
        return Part(bundle, device, threads)

    kind = BackendKind("half", ("cpu",), load_part)
    with pytest.raises(BackendError, match="no memory"):
        SplitBackend.load(kind, Bundle.open(split), "cpu", 1)
    assert len(closed) == 1


def test_a_table_of_pairs_encodes_shared_views_once(
    split: Path, infer: Callable[..., Any], tmp_path: Path
) -> None:
    names = []
    for seed, view in enumerate(VIEWS[:4]):
        path = tmp_path / f"{seed}.png"
        path.write_bytes(encode(unsaturated(view[0, 0]), ".png"))
        names.append(path.name)
    rows = [f"{left},{right}" for left, right in zip(names[1:], names[:-1], strict=True)]
    (tmp_path / "pairs.csv").write_text("left,right\n" + "\n".join(rows) + "\n")
    outcome = infer(
        tmp_path / "pairs.csv", "--bundle", split, "--threads", 1, "--out", tmp_path / "o"
    )
    assert outcome.code == 0, outcome.err
    features = [
        json.loads(report.read_text())["model"]["features"]
        for report in sorted((tmp_path / "o").glob("*/report.json"))
    ]
    # Two of the golden pair, then four views; three pairs have six.
    assert max(kept["encoded"] for kept in features) == 2 + 4
    assert max(kept["reused"] for kept in features) == 2
    assert features[-1]["held_bytes"] == features[-1]["views"] * 5 * 64 * 64


def test_a_stream_encodes_its_frames_once(split: Path) -> None:
    errors = PoseErrors(rotation_deg=0.03, baseline=0.02)
    with (
        StereoRuntime.load(split, "onnxruntime", threads=1) as runtime,
        StereoStream(runtime, camera(), up=UP, pose_errors=errors, background=False) as stream,
    ):
        updates = [stream.push(f.image, f.time_s, f.pose) for f in some_frames()]
        pairs = [update for update in updates if update is not None]
        results = [update.result for update in pairs if update.result is not None]
        views = {number for update in pairs for number in (update.number, update.partner)}
    assert len(results) >= 3
    kept = results[-1].model.features if results[-1].model else None
    assert kept is not None
    assert kept.encoded == 2 + len(views)  # the golden pair's two
    assert kept.reused == 2 * len(pairs) - len(views) > 0
