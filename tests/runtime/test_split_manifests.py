"""Bundles in two graphs: what their manifest says, and what of it is verified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from lunar_runtime import Bundle
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.bundles.reseal import reseal_bundle
from lunar_runtime.errors import BundleError

from .split_plane import split_plane_files, split_plane_manifest, write_split_plane


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed by a test."""
    return write_split_plane(tmp_path_factory.mktemp("split") / "bundle")


def test_the_manifest_lists_both_graphs_with_their_ranges(split: Path) -> None:
    opened = Bundle.open(split)
    manifest = opened.manifest
    assert set(manifest.files) == {"encoder.onnx", "decoder.onnx", "golden.npz"}
    assert manifest.format_version == 4
    level = np.float32(1 / 255)
    assert manifest.weight_ranges["encoder.onnx:per_level"] == (level, level)
    assert "decoder.onnx:pointmap_left_constant" in manifest.weight_ranges
    encoder, decoder = opened.parts
    assert (encoder.part, decoder.part) == ("encoder", "decoder")
    assert [t.name for t in decoder.manifest.graph.inputs] == ["tokens_left", "tokens_right"]
    assert encoder.model().content == (split / "encoder.onnx").read_bytes()


def test_what_needs_one_graph_says_so(split: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"its network is in two graphs, encoder\.onnx and decoder\.onnx, and this needs one; "
        r"export it again without --split$",
    ):
        Bundle.open(split).model()


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx"])
def test_either_graph_that_was_altered_is_refused(tmp_path: Path, name: str) -> None:
    path = write_split_plane(tmp_path / "b")
    content = bytearray((path / name).read_bytes())
    content[-1] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: altered"):
        Bundle.open(path)
    (path / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: .*missing"):
        Bundle.open(path)


def test_a_weight_outside_its_range_is_refused_in_the_encoder(tmp_path: Path) -> None:
    path = write_split_plane(tmp_path / "b")
    opened = Bundle.open(path)
    ranges = opened.manifest.weight_ranges | {"encoder.onnx:per_level": (0.5, 0.6)}
    narrow = msgspec.structs.replace(opened.manifest, weight_ranges=ranges)
    (path / "manifest.json").write_bytes(encode_manifest(narrow))
    with pytest.raises(BundleError, match=r"encoder\.onnx: weight per_level holds 0\.003922"):
        select_backend(Bundle.open(path), "onnxruntime", "cpu", 1)


def test_graphs_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    files = split_plane_files()
    files["encoder.onnx"], files["decoder.onnx"] = files["decoder.onnx"], files["encoder.onnx"]
    path = write_bundle(tmp_path / "b", split_plane_manifest(), dict(files)).path
    with pytest.raises(BundleError, match=r"encoder\.onnx: the graph has no input image"):
        select_backend(Bundle.open(path), "onnxruntime", "cpu", 1)


def refused(**changes: Any) -> Callable[[Any], Any]:
    def change(manifest: Any) -> Any:
        encoder = msgspec.structs.replace(manifest.graph.encoder, **changes)
        graph = msgspec.structs.replace(manifest.graph, encoder=encoder)
        return msgspec.structs.replace(manifest, graph=graph)

    return change


TOKENS = split_plane_manifest().graph.encoder


@pytest.mark.parametrize(
    "change, text",
    [
        (refused(file="decoder.onnx"), "encoder and decoder are the same file"),
        (refused(file="../e.onnx"), "leads out of the bundle"),
        (refused(file="other.onnx"), "other.onnx is not in `files`"),
        (refused(features=()), "the encoder's features need names of their own"),
        (refused(taken=()), "the decoder takes nothing of the left view"),
        (
            refused(taken=tuple(msgspec.structs.replace(t, dtype="float64") for t in TOKENS.taken)),  # type: ignore[union-attr]
            "the decoder's input tokens_left is no feature of a view",
        ),
        (
            lambda m: msgspec.structs.replace(m, precision="fp16"),
            "two graphs of precision fp16",
        ),
        (
            lambda m: msgspec.structs.replace(m, format_version=3),
            "two graphs in format_version 3",
        ),
        (
            lambda m: msgspec.structs.replace(
                m, student=msgspec.structs.replace(m.student, parameters=10**9)
            ),
            "bytes are no network of 1000000000 parameters",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    split: Path, change: Callable[[Any], Any], text: str
) -> None:
    manifest = change(Bundle.open(split).manifest)
    with pytest.raises(BundleError) as refusal:
        decode_manifest(encode_manifest(manifest))
    assert text in str(refusal.value)


def test_a_bundle_in_two_graphs_is_sealed_anew(split: Path, tmp_path: Path) -> None:
    again = reseal_bundle(split, tmp_path / "again")
    assert again.manifest == Bundle.open(split).manifest
