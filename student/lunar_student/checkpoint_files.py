"""Checkpoints as files: zip, safetensors, old pickles, several files with an index.

The content decides, not the suffix, but for the index. Nothing in a file is executed: of pickles
only tensors, plain containers and `argparse.Namespace` are read.
"""

from __future__ import annotations

import argparse
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from lunar_runtime.errors import CheckpointError
from torch import Tensor

from lunar_student.checkpoint_layouts import FORMATS, some

DAMAGED = "the file is damaged or incomplete; copy or download it again"


def read_file(file: Path) -> Any:
    """What a checkpoint's file holds, as it was saved.

    Raises:
        CheckpointError: The file is missing, damaged, of another format, or wants code run.
    """
    if not file.exists():
        raise CheckpointError(f"{file}: no such checkpoint; check the path")
    if file.is_dir():
        raise CheckpointError(f"{file}: is a folder; give the checkpoint file inside it")
    if file.suffix == ".json":
        return _read_shards(file)
    try:
        with file.open("rb") as stream:
            head = stream.read(16)
        if not head:
            raise CheckpointError(f"{file}: is empty; copy or download it again")
        if head.startswith(b"PK"):
            return _read_zip(file)
        if head[8:9] == b"{":
            return _read_safetensors(file)
        if head.startswith(b"\x80"):
            return _load(file, mmap=False)  # torch.save before PyTorch 1.6
    except OSError as error:
        raise CheckpointError(
            f"{file}: cannot be read ({(error.strerror or str(error)).lower()}); check its "
            "permissions"
        ) from error
    raise CheckpointError(f"{file}: not a checkpoint; {FORMATS}")


def _read_zip(file: Path) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            # PyTorch itself never compares these checksums: flipped bits would become weights.
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise CheckpointError(f"{file}: {DAMAGED}") from error
    if damaged is not None:
        raise CheckpointError(f"{file}: {damaged} does not match its checksum; {DAMAGED}")
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(f"{file}: a TorchScript program, not weights; {FORMATS}")
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(f"{file}: a zip file, but not of torch.save; {FORMATS}")
    return _load(file, mmap=True)


def _load(file: Path, *, mmap: bool) -> Any:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted is None:
            raise CheckpointError(f"{file}: {DAMAGED}") from error
        raise CheckpointError(
            f"{file}: not loaded, because reading it would run or build {wanted[1]}, which is no "
            "part of a set of weights; where you trust the file, save its state dict alone"
        ) from error
    except OSError:
        raise
    # Damaged bytes can fail anywhere inside the unpickler: KeyError, struct.error, RuntimeError…
    except Exception as error:
        raise CheckpointError(f"{file}: {DAMAGED}") from error


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise CheckpointError(f"{file}: {DAMAGED}") from error


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names; they lie beside it."""
    try:
        named = json.loads(index.read_text("utf-8"))["weight_map"]
        owners = {str(key): str(name) for key, name in named.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{index}: not an index of a checkpoint's files (no weight_map); give the checkpoint, "
            "or the index that was saved with it"
        ) from error
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(owners.values())):
        shard = index.parent / name
        if Path(name).name != name or shard.suffix == ".json" or not shard.is_file():
            raise CheckpointError(
                f"{index}: names the file {name!r}, which is not beside it; copy all files of the "
                "checkpoint into one folder"
            )
        held = read_file(shard)
        if not isinstance(held, dict):
            raise CheckpointError(f"{shard}: holds no tensors by name; {FORMATS}")
        wanted = {key for key, owner in owners.items() if owner == name}
        if set(held) != wanted:
            other = some(sorted(set(held) ^ wanted))
            raise CheckpointError(f"{index}: {name} and the index differ in {other}; {DAMAGED}")
        tensors |= held
    return tensors
