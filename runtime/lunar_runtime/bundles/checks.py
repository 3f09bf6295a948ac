"""What a manifest may not say: names that lead out of the bundle, parts that do not agree."""

from __future__ import annotations

import math
from pathlib import PurePosixPath

from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.bundles.graph_checks import FEWEST
from lunar_runtime.bundles.manifest import (
    ENGINES_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    ONE_GRAPH_VERSION,
    SIGNATURES_NAME,
    EncoderRecord,
    GoldenRecord,
    GraphRecord,
    Manifest,
    ParityRecord,
)
from lunar_runtime.files.printable import UNPRINTABLE

# Bounds that every use stays far below, so that no number makes a reader reserve terabytes.
_LARGEST_SIDE_PX = 8192  # lunar-export makes 4096 at most
_MOST_CHANNELS = 4096
# Of the encoder's outputs. S0 has 8 values a pixel in the largest, the teacher 4 in its one.
_MOST_VALUES_PER_PIXEL = 100
_MOST_FILES = 1000
_MOST_POINTS = 10_000  # where activations are watched; S0 has 58, the teacher 200
_LARGEST_FILE = 1 << 36


def check_file_name(name: str) -> str | None:
    """Why `name` may not name a file of a bundle; None if it may.

    Names are relative, use `/`, and stay inside the bundle.
    """
    path = PurePosixPath(name)
    if name in ("", ".") or "\\" in name or "\0" in name or path.is_absolute() or str(path) != name:
        return "not a plain relative path"
    if ".." in path.parts or ":" in name:
        return "leads out of the bundle"
    if name == MANIFEST_NAME:
        return "the manifest cannot list itself"
    if path.parts[0] in (SIGNATURES_NAME, ENGINES_NAME):
        return "the manifest cannot list what is added to a bundle later"
    if UNPRINTABLE.search(name):
        return "holds control characters"
    return None


def contradiction(manifest: Manifest) -> str | None:
    """What in a manifest does not fit together, in words; None where all of it does."""
    return (
        _of_files(manifest)
        or _of_graph(manifest.graph)
        or _of_encoder(manifest)
        or _of_precision(manifest)
        or _of_outputs(manifest.graph, manifest.golden, manifest.parity)
        or _of_activations(manifest)
    )


def _of_files(manifest: Manifest) -> str | None:
    needed = (*_graph_files(manifest.graph), manifest.golden.file)
    for name in (*manifest.files, *needed):
        problem = check_file_name(name)
        if problem:
            return f"file name {name!r}: {problem}"
    if len(manifest.files) > _MOST_FILES:
        return f"{len(manifest.files)} files are too many"
    for name, record in manifest.files.items():
        if record.bytes > _LARGEST_FILE:
            return f"{name}: {record.bytes} bytes are too many for a file"
    for name in needed:
        if name not in manifest.files:
            return f"{name} is not in `files`"
    return None


def _of_graph(graph: GraphRecord) -> str | None:
    size = (graph.height, graph.width)
    if max(size) > _LARGEST_SIDE_PX:
        return f"images of {size[0]} x {size[1]} px are larger than {_LARGEST_SIDE_PX} a side"
    images = {i.name: (i.shape, i.dtype) for i in graph.inputs}
    if images != dict.fromkeys(("left", "right"), ((1, 1, *size), "uint8")):
        return f"inputs must be left and right, uint8 (1, 1, {size[0]}, {size[1]})"
    names = [o.name for o in graph.outputs]
    if sorted(names) != sorted(OUTPUT_NAMES[graph.output_set]):
        return f"outputs {', '.join(names)} are not those of output_set {graph.output_set!r}"
    for output in graph.outputs:
        if output.shape[:3] != (1, *size) or output.dtype != "float32":
            return f"output {output.name} must be float32 (1, {size[0]}, {size[1]}, …)"
        if len(output.shape) != (3 if "confidence" in output.name else 4):
            return f"output {output.name} has {len(output.shape)} dimensions"
        if output.name.startswith("pointmap") and output.shape[3] != 3:
            return f"output {output.name} must have 3 coordinates"
        if output.shape[-1] > max(size) and output.shape[-1] > _MOST_CHANNELS:
            return f"output {output.name} has {output.shape[-1]} channels, which are too many"
    return None


def _of_encoder(manifest: Manifest) -> str | None:
    graph, encoder = manifest.graph, manifest.graph.encoder
    if encoder is None:
        return None
    if manifest.format_version <= ONE_GRAPH_VERSION:
        return f"two graphs in format_version {manifest.format_version}"
    if manifest.precision != "fp32":
        return f"two graphs of precision {manifest.precision}"
    if encoder.file == graph.file:
        return "encoder and decoder are the same file"
    files, parameters = _graph_files(graph), manifest.student.parameters
    listed = sum(record.bytes for name, record in manifest.files.items() if name.startswith(files))
    if listed < 4 * FEWEST * parameters:
        return f"graphs of {listed} bytes are no network of {parameters} parameters"
    if (encoder.image.shape, encoder.image.dtype) != ((1, 1, graph.height, graph.width), "uint8"):
        return f"the encoder's image must be uint8 (1, 1, {graph.height}, {graph.width})"
    return _of_features(encoder, graph.height * graph.width)


def _of_features(encoder: EncoderRecord, pixels: int) -> str | None:
    features = {record.name: (record.shape, record.dtype) for record in encoder.features}
    if not features or len(features) != len(encoder.features):
        return "the encoder's features need names of their own"
    for name, (shape, dtype) in features.items():
        if shape[0] != 1 or dtype != "float32":
            return f"feature {name} must be float32 (1, …)"
        if math.prod(shape) > _MOST_VALUES_PER_PIXEL * pixels:
            return f"feature {name} has {math.prod(shape)} values, which are too many"
    taken = {record.name: (record.shape, record.dtype) for record in encoder.taken}
    for view in ("left", "right"):
        if not any(name.endswith(f"_{view}") for name in taken):
            return f"the decoder takes nothing of the {view} view"
    for name, found in taken.items():
        feature, _, view = name.rpartition("_")
        if view not in ("left", "right") or features.get(feature) != found:
            return f"the decoder's input {name} is no feature of a view"
    return None


def _graph_files(graph: GraphRecord) -> tuple[str, ...]:
    return (graph.file,) if graph.encoder is None else (graph.encoder.file, graph.file)


def _of_precision(manifest: Manifest) -> str | None:
    precision, arithmetic = manifest.precision, manifest.graph.arithmetic
    if precision == "int8" and manifest.calibration is None:
        return "precision int8 without calibration"
    if manifest.target != "openvino":
        if precision == "bf16" or arithmetic != "f32":
            return f"{precision} computed in {arithmetic} is for the target openvino alone"
        return None
    allowed = {"fp32": ("f32",), "bf16": ("bf16",), "fp16": ("f16",), "int8": ("f32", "bf16")}
    if arithmetic not in allowed[precision]:
        return f"precision {precision} computed in {arithmetic}"
    return None


def _of_outputs(graph: GraphRecord, golden: GoldenRecord, parity: ParityRecord) -> str | None:
    if "pointmap_left" not in golden.tolerances:
        return "golden.tolerances lacks pointmap_left"
    unknown = (set(golden.tolerances) | set(parity.outputs)) - {o.name for o in graph.outputs}
    if golden.step > min(graph.height, graph.width):
        return f"golden.step {golden.step} is larger than the images"
    if unknown:
        return f"golden or parity names {', '.join(sorted(unknown))}, which the graph lacks"
    return None


def _of_activations(manifest: Manifest) -> str | None:
    encoder = manifest.graph.encoder
    ranges = {**manifest.graph.activation_ranges, **(encoder.activation_ranges if encoder else {})}
    if ranges and manifest.format_version < FORMAT_VERSION:
        return f"activation_ranges in format_version {manifest.format_version}"
    if len(ranges) > _MOST_POINTS:
        return f"activation_ranges of {len(ranges)} tensors are too many"
    for name, (low, high) in ranges.items():
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            return f"activation_ranges: {name} from {low:g} to {high:g} is no range"
    return None
