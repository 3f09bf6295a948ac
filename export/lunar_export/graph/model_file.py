"""An ONNX model in one file, or in two where it does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx

from lunar_export.graph import weights

MODEL_NAME = "model.onnx"

SMALL_BYTES = 1024  # shapes and scalars stay in the graph, where parsers expect them


@dataclass(frozen=True)
class SizeLimits:
    """How large a model's weights may be for the tools that handle it.

    Attributes:
        one_file_bytes: In one file. Protobuf's limit is 2 GiB, weights and structure together.
        whole_bytes: In onnxsim, which serialises a model several times; a larger one is simplified
            without its large matrices.
        matrix_bytes: Of one matrix that is not large.
    """

    one_file_bytes: int = 1_900_000_000
    whole_bytes: int = 1_000_000_000
    matrix_bytes: int = 1_000_000


#: Of the tools as they are.
SIZES = SizeLimits()


def write_model(
    model: onnx.ModelProto,
    folder: Path,
    sizes: SizeLimits = SIZES,
    *,
    name: str = MODEL_NAME,
    check: bool = True,
) -> dict[str, Path]:
    """Write a model, and check what was written.

    Args:
        model: Not changed.
        folder: Where.
        sizes: Beyond which size the weights lie beside the graph.
        name: Of its file; that of large weights has `.data` behind it.
        check: False for graphs that are not kept.

    Returns:
        Its files, by the names they must keep.
    """
    path, data = folder / name, f"{name}.data"
    files = {name: path}
    if sum(map(weights.size_bytes, model.graph.initializer)) > sizes.one_file_bytes:
        unmarked = [t for t in model.graph.initializer if not t.HasField("data_location")]
        onnx.save_model(
            model,
            path,
            save_as_external_data=True,
            location=data,
            size_threshold=SMALL_BYTES,
        )
        files[data] = folder / data
        # Writing took the weights out of the model and marked where they went.
        weights.load(model.graph.initializer, folder)
        for tensor in unmarked:
            tensor.ClearField("data_location")
    else:
        onnx.save_model(model, path)
    if check:
        onnx.checker.check_model(str(path))
    return files
