"""A bundle as a model of NVIDIA Triton, for a ground station that outgrows one process.

    models/
      lunar_s2_left_fp16/
        config.pbtxt
        1/model.onnx            or model.plan, and model.onnx.data for weights over 2 GB
        warmup/left, right      the golden pair, run before the first request

The graph takes one pair, (1, 1, H, W) twice, and its shape is part of it: Triton may not stack
requests (`max_batch_size: 0`). Requests run side by side instead, one on each instance.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from lunar_runtime.backends.tensorrt.store import StoredEngine
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.manifest import TensorRecord
from lunar_runtime.errors import UsageError
from lunar_runtime.files.atomic_folder import atomic_folder

CONFIG_NAME = "config.pbtxt"
VERSION = "1"
WARMUP = "warmup"
_OWNED = (CONFIG_NAME, VERSION, WARMUP)

# What a field of a message may be in Triton's text format.
Field: TypeAlias = "str | int | bool | Mapping[str, Field] | Sequence[Field]"


class Word(str):
    """An enumerator: written without quotes."""

    __slots__ = ()


_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


def add_to_repository(
    bundle: Bundle,
    repository: Path,
    *,
    engine: StoredEngine | None = None,
    instances: int = 1,
    overwrite: bool = False,
) -> Path:
    """Add a bundle to a model repository, whole or not at all.

    Args:
        bundle: A verified bundle.
        repository: The folder that `tritonserver --model-repository` is given; made if missing.
        engine: Serve this engine; the server needs its TensorRT version and its GPU. None serves
            the ONNX graph with Triton's ONNX Runtime.
        instances: Copies of the network that run side by side, on every GPU.
        overwrite: Replace the model that is there.

    Returns:
        The model's folder.

    Raises:
        UsageError: Triton cannot serve that engine, or `instances` is not positive.
        OutputError: The model exists already, or cannot be written.
        BundleError: The golden pair or the engine is damaged.
    """
    if engine:
        _check_engine(engine)
    if instances < 1:
        raise UsageError(f"`instances` {instances}: needs to be 1 or more")
    folder = model_folder(bundle, repository)
    golden = bundle.golden()
    plan = engine.read() if engine else None
    with atomic_folder(folder, overwrite=overwrite, owned=_OWNED) as work:
        config = model_config(bundle, folder.name, plan is not None, instances)
        (work / CONFIG_NAME).write_text(render(config))
        (work / VERSION).mkdir()
        if plan is not None:
            (work / VERSION / "model.plan").write_bytes(plan)
        else:
            for name in bundle.manifest.files:
                if name.startswith(bundle.manifest.graph.file):
                    shutil.copyfile(bundle.path / name, work / VERSION / name)
        (work / WARMUP).mkdir()
        for name, image in (("left", golden.left), ("right", golden.right)):
            (work / WARMUP / name).write_bytes(image.tobytes())
    return folder


def model_folder(bundle: Bundle, repository: Path) -> Path:
    """`repository/lunar_s2_left_fp16`: clients ask for a model by its folder's name."""
    manifest = bundle.manifest
    words = f"lunar {manifest.student.id} {manifest.graph.output_set} {manifest.precision}"
    return repository / re.sub(r"\W+", "_", words.lower())


def model_config(bundle: Bundle, name: str, plan: bool, instances: int) -> dict[str, Field]:
    """The fields of Triton's `ModelConfig`, in the order of its documentation."""
    graph = bundle.manifest.graph
    return {
        "name": name,
        **(
            {"platform": "tensorrt_plan", "default_model_filename": "model.plan"}
            if plan
            else {"backend": "onnxruntime", "default_model_filename": graph.file}
        ),
        "max_batch_size": 0,
        "input": [_tensor(record) for record in graph.inputs],
        "output": [_tensor(record) for record in graph.outputs],
        "instance_group": [{"count": instances, "kind": Word("KIND_GPU" if plan else "KIND_AUTO")}],
        "model_warmup": [
            {
                "name": "golden pair",
                "batch_size": 1,
                "inputs": [
                    {"key": record.name, "value": _warmup(record)} for record in graph.inputs
                ],
            }
        ],
        "parameters": [
            {"key": key, "value": {"string_value": value}}
            for key, value in {
                "bundle_sha256": bundle.digest,
                "student": bundle.manifest.student.id,
                "precision": bundle.manifest.precision,
                "pointmap_frame": "left camera, x right, y down, z forward",
                "pointmap_unit": "network unit: one unknown scale",
            }.items()
        ],
    }


def render(message: Mapping[str, Field], indent: str = "") -> str:
    """A message in protocol buffers' text format."""
    lines = []
    for name, value in message.items():
        lines += _render_field(name, value, indent)
    return "".join(f"{line}\n" for line in lines)


def _render_field(name: str, value: Field, indent: str) -> list[str]:
    if isinstance(value, Mapping):
        inner = render(value, indent + "  ").splitlines()
        return [f"{indent}{name} {{", *inner, f"{indent}}}"]
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, int) for item in value):
            return [f"{indent}{name}: {list(value)}"]
        return [line for item in value for line in _render_field(name, item, indent)]
    return [f"{indent}{name}: {_scalar(value)}"]


def _scalar(value: Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word) or not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _tensor(record: TensorRecord) -> dict[str, Field]:
    return {
        "name": record.name,
        "data_type": Word(_TYPES[record.dtype]),
        "dims": list(record.shape),
    }


def _warmup(record: TensorRecord) -> dict[str, Field]:
    return {
        "data_type": Word(_TYPES[record.dtype]),
        "dims": list(record.shape),
        "input_data_file": record.name,
    }


def _check_engine(engine: StoredEngine) -> None:
    record = engine.record
    if record.key.library != "tensorrt":
        raise UsageError(
            f"{engine.path.name}: Triton runs TensorRT's engines, not those of "
            f"{record.key.library}; serve the ONNX graph instead (`engine` None)"
        )
    if record.weight_stripped:
        raise UsageError(
            f"{engine.path.name}: Triton does not put weights back into an engine; build it "
            "with its weights"
        )
