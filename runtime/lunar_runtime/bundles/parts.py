"""A network in two graphs: an encoder that sees one image, and a decoder that sees two of those.

Each is described by a manifest of its own, in which it is the only graph: so what loads, checks,
compiles or caches a graph does that of a part as of a whole network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from lunar_runtime.bundles.manifest import (
    FORMAT_VERSION,
    ONE_GRAPH_VERSION,
    TWO_GRAPHS_VERSION,
    Manifest,
)
from lunar_runtime.bundles.ranges import Range, ranges_in_file

Part = Literal["encoder", "decoder"]
ENCODER_NAME, DECODER_NAME = "encoder.onnx", "decoder.onnx"


def parts_of(manifest: Manifest) -> tuple[Part | None, ...]:
    """The graphs of a network; None is the one that is all of it."""
    return (None,) if manifest.graph.encoder is None else ("encoder", "decoder")


def part_manifest(manifest: Manifest, part: Part | None) -> Manifest:
    """What a manifest says of one graph.

    Args:
        manifest: Of the bundle.
        part: One of `parts_of`.
    """
    graph = manifest.graph
    encoder = graph.encoder
    if part is None or encoder is None:
        return manifest
    if part == "encoder":
        one = msgspec.structs.replace(
            graph,
            file=encoder.file,
            opset=encoder.opset,
            inputs=(encoder.image,),
            outputs=encoder.features,
            encoder=None,
            activation_ranges=encoder.activation_ranges,
        )
    else:
        one = msgspec.structs.replace(graph, inputs=encoder.taken, encoder=None)
    ranges = _unnamed(manifest.weight_ranges, f"{one.file}:")
    return msgspec.structs.replace(manifest, graph=one, weight_ranges=ranges)


def written_ranges(folder: Path, manifest: Manifest) -> dict[str, Range]:
    """Ranges of a bundle's weights, as its manifest names them; see `ranges_in_file`.

    Raises:
        BundleError: A weight is not finite.
    """
    graph = manifest.graph
    if graph.encoder is None:
        return ranges_in_file(folder, graph.file)
    return {
        f"{file}:{name}": values
        for file in (graph.encoder.file, graph.file)
        for name, values in ranges_in_file(folder, file).items()
    }


def version_of(manifest: Manifest) -> int:
    """The format that a manifest is written in: the oldest that can say it."""
    encoder = manifest.graph.encoder
    if manifest.graph.activation_ranges or (encoder and encoder.activation_ranges):
        return FORMAT_VERSION
    return ONE_GRAPH_VERSION if encoder is None else TWO_GRAPHS_VERSION


def _unnamed(ranges: Mapping[str, Range], prefix: str) -> dict[str, Range]:
    return {
        name.removeprefix(prefix): values
        for name, values in ranges.items()
        if name.startswith(prefix)
    }
