"""An ONNX model in one file, or in two where it does not fit."""

from __future__ import annotations

from pathlib import Path

import onnx

from lunar_export.graph import weights

MODEL_NAME = "model.onnx"
DATA_NAME = "model.onnx.data"

# Protobuf's limit is 2 GiB for weights and structure together.
ONE_FILE_LIMIT_BYTES = 1_900_000_000
SMALL_BYTES = 1024  # shapes and scalars stay in the graph, where parsers expect them


def write_model(model: onnx.ModelProto, folder: Path, *, check: bool = True) -> dict[str, Path]:
    """Write a model, emptying it, and check what was written.

    Args:
        model: Emptied only where it does not fit into one file.
        folder: Where.
        check: False for graphs that are not kept.

    Returns:
        Its files, by the names they must keep.
    """
    path = folder / MODEL_NAME
    files = {MODEL_NAME: path}
    if sum(map(weights.size_bytes, model.graph.initializer)) > ONE_FILE_LIMIT_BYTES:
        onnx.save_model(
            model,
            path,
            save_as_external_data=True,
            location=DATA_NAME,
            size_threshold=SMALL_BYTES,
        )
        files[DATA_NAME] = folder / DATA_NAME
    else:
        onnx.save_model(model, path)
    if check:
        onnx.checker.check_model(str(path))
    return files
