"""Weights from a file, and back to one.

Read: a state dict, or a training checkpoint with one in it, as written by `torch.save` (`.pt`,
`.pth`), and safetensors, both also in several files (`….index.json`; see `checkpoint_files`). What
may wrap the weights and lie beside them, `checkpoint_layouts` says.

Written: safetensors.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from lunar_runtime.errors import CheckpointError
from lunar_runtime.files.atomic import atomic_path
from torch import Tensor

from lunar_student.architecture import infer_config
from lunar_student.checkpoint_files import read_file
from lunar_student.checkpoint_layouts import WeightsKind, find_weights, some
from lunar_student.network import Student

_log = logging.getLogger(__name__)


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    decoder_heads: int | None = None,
    weights: WeightsKind = "model",
) -> Student:
    """A member of the family with its weights, in evaluation mode, float32, on the CPU.

    Which member is inferred from keys and shapes; see `lunar_student.architecture`. Weights stay
    mapped from the file where its format allows, so that a large one is in memory once.

    Args:
        path: The checkpoint.
        decoder_heads: Heads a decoder layer, needed for a width that the family does not have
            and a file that `save_checkpoint` did not write.
        weights: `model`, or `ema` for the averaged ones that may lie beside.

    Raises:
        CheckpointError: The file cannot be read, or is not a complete, finite set of weights of a
            network of this family. The line says which keys, and what to do.
    """
    tensors = read_state_dict(path, weights=weights)
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    with torch.device("meta"):
        student = Student(infer_config(shapes, path, decoder_heads or _noted_heads(Path(path))))
    own = student.state_dict()
    expected = {key: tuple(tensor.shape) for key, tensor in own.items()}
    _compare(shapes, expected, student.config.id, path)
    other = [key for key in own if tensors[key].dtype != own[key].dtype]
    if other:
        raise CheckpointError(
            f"{path}: {some(other)} hold {tensors[other[0]].dtype}, not real numbers; export the "
            "floating-point checkpoint, not a quantised one"
        )
    _refuse_non_finite(tensors, path)
    student.load_state_dict(tensors, assign=True)
    return student.eval()


def read_state_dict(
    path: str | os.PathLike[str], *, weights: WeightsKind = "model"
) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, whatever network they are of.

    Floating-point tensors become float32, what wrapped the network in training goes from the keys,
    and of two names of one tensor (`scratch.layer1_rn`, `scratch.layer_rn.0`) a missing one is
    filled in. Averaged weights that were not asked for are warned of in the log.

    Args:
        path: The checkpoint.
        weights: `model`, or `ema` for the averaged ones.

    Raises:
        CheckpointError: The file is missing, damaged, of another format, wants code run, holds no
            such weights, or holds two different tensors where the network has one.
    """
    file = Path(path)
    found = find_weights(read_file(file), weights, file)
    if found.has_ema and weights == "model":
        _log.warning(
            "%s: holds averaged (EMA) weights too; these are the model's own, `weights` ema takes "
            "the averaged ones",
            file,
        )
    return _with_aliases({key: _as_float32(value) for key, value in found.tensors.items()}, file)


def save_checkpoint(student: Student, path: str | os.PathLike[str]) -> None:
    """Write a student's weights as safetensors, whole or not at all.

    A tensor with two names is stored under the first. The file's metadata name the student and
    its number of decoder heads, which no shape tells.

    Raises:
        OutputError: The file cannot be written.
    """
    from safetensors.torch import save_file

    weights = {
        key: value.detach().cpu().contiguous()
        for key, value in student.state_dict().items()
        if not _ALIAS.fullmatch(key)
    }
    with atomic_path(path) as temporary:
        config = student.config
        noted = {"student": config.id, "decoder_heads": str(config.decoder_heads)}
        save_file(weights, temporary, metadata={"format": "pt", **noted})


# layer1_rn … layer4_rn are also saved as layer_rn.0 … layer_rn.3.
_ALIAS = re.compile(r"(.*\.scratch\.)layer_rn\.([0-3])(\..*)")
_FIRST = re.compile(r"(.*\.scratch\.)layer([1-4])_rn(\..*)")


def _with_aliases(weights: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    complete = dict(weights)
    for key, value in weights.items():
        if m := _FIRST.fullmatch(key):
            other = f"{m[1]}layer_rn.{int(m[2]) - 1}{m[3]}"
        elif m := _ALIAS.fullmatch(key):
            other = f"{m[1]}layer{int(m[2]) + 1}_rn{m[3]}"
        else:
            continue
        if not torch.equal(complete.setdefault(other, value), value):
            raise CheckpointError(
                f"{file}: {key} and {other} are one tensor in the network, but differ here; remove "
                "the one that was not trained"
            )
    return complete


def _noted_heads(file: Path) -> int | None:
    """The number of decoder heads that `save_checkpoint` noted; None in any other file."""
    if file.suffix == ".json":
        return None
    with file.open("rb") as stream:
        if stream.read(9)[8:] != b"{":
            return None
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        noted = (opened.metadata() or {}).get("decoder_heads", "")
    return int(noted) if noted.isdecimal() and int(noted) > 0 else None


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.detach().float() if tensor.is_floating_point() else tensor.detach()


def _compare(
    shapes: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    student: str,
    path: object,
) -> None:
    missing = [key for key in expected if key not in shapes]
    extra = [key for key in shapes if key not in expected]
    other = [key for key in expected if key in shapes and shapes[key] != expected[key]]
    problems = []
    if missing:
        problems.append(f"lacks {some(missing)}")
    if extra:
        problems.append(f"has {some(extra)} too many")
    if other:
        first = other[0]
        problems.append(
            f"has {some(other)} of another shape ({first}: {shapes[first]}, not {expected[first]})"
        )
    if problems:
        raise CheckpointError(
            f"{path}: looks like {student}, but {', and '.join(problems)}; save the whole state "
            "dict of the student, and nothing else"
        )


def _refuse_non_finite(weights: Mapping[str, Tensor], path: object) -> None:
    bad = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    if bad:
        raise CheckpointError(
            f"{path}: {some(bad)} hold NaN or infinity; use a checkpoint from before the training "
            "diverged"
        )
