"""Checkpoints that cannot be used, and what is said of them."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from lunar_runtime.errors import CheckpointError
from lunar_student import (
    Student,
    load_checkpoint,
    save_checkpoint,
)
from student.conftest import Weights

LAYER = "downstream_head1.dpt.scratch.layer{}_rn.weight"
ALIAS = "downstream_head1.dpt.scratch.layer_rn.{}.weight"


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_two_different_tensors_under_the_two_names_are_refused(
    tmp_path: Path, weights: Weights
) -> None:
    weights[ALIAS.format(2)] += 1
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        f"{LAYER.format(3)} and {ALIAS.format(2)} are one tensor in the network, but differ here; "
        "remove the one that was not trained"
    )


def test_missing_keys_are_named(tmp_path: Path, weights: Weights) -> None:
    for key in ("dec_norm.bias", "dec_blocks.1.norm1.weight"):
        del weights[key]
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "looks like S0, but lacks dec_blocks.1.norm1.weight, dec_norm.bias; save the whole state "
        "dict of the student, and nothing else"
    )


def test_many_missing_keys_are_counted(tmp_path: Path, weights: Weights) -> None:
    fewer = {k: v for k, v in weights.items() if not k.startswith("downstream_head2.")}
    torch.save(fewer, tmp_path / "s0.pt")
    more = len(weights) - len(fewer) - 3
    assert f" and {more} more; save the whole" in refusal(tmp_path / "s0.pt")


def test_extra_keys_are_named(tmp_path: Path, weights: Weights) -> None:
    weights["projector.weight"] = torch.zeros(3)
    torch.save(weights, tmp_path / "s0.pt")
    assert "has projector.weight too many" in refusal(tmp_path / "s0.pt")


def test_a_wrong_shape_is_shown_beside_the_right_one(tmp_path: Path, weights: Weights) -> None:
    weights["dec_norm.bias"] = torch.zeros(7)
    torch.save(weights, tmp_path / "s0.pt")
    message = refusal(tmp_path / "s0.pt")
    assert "has dec_norm.bias of another shape (dec_norm.bias: (7,), not (192,))" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, weights: Weights, value: float
) -> None:
    weights["dec_norm.bias"][5] = value
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "dec_norm.bias hold NaN or infinity; use a checkpoint from before the training diverged"
    )


def test_quantised_weights_are_refused(tmp_path: Path, weights: Weights) -> None:
    weights["dec_norm.bias"] = weights["dec_norm.bias"].to(torch.int8)
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "dec_norm.bias hold torch.int8, not real numbers; export the floating-point checkpoint, "
        "not a quantised one"
    )


def test_a_foreign_network_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "linear.pt")
    assert "not a network of this family" in refusal(tmp_path / "linear.pt")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.pt") == "no such checkpoint; check the path"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "is a folder; give the checkpoint file inside it"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s0.pt").touch()
    assert refusal(tmp_path / "s0.pt") == "is empty; copy or download it again"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s0.pt").touch(mode=0)
    assert "check its permissions" in refusal(tmp_path / "s0.pt")


@pytest.mark.parametrize("content", [b"hello, Moon\n" * 9, b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s0.pt").write_bytes(content)
    assert refusal(tmp_path / "s0.pt") == (
        "not a checkpoint; give a state dict written by torch.save (.pt, .pth) or safetensors"
    )


@pytest.mark.parametrize("kept", [0.3, 0.99])
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_truncated_file_is_refused(
    tmp_path: Path, s0: Student, weights: Weights, form: str, kept: float
) -> None:
    path = tmp_path / "s0.pt"
    if form == "safetensors":
        save_checkpoint(s0, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=form == "zip")
    os.truncate(path, int(path.stat().st_size * kept))
    assert "the file is damaged or incomplete; copy or download it again" in refusal(path)


def test_one_flipped_bit_is_found(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "s0.pt"
    torch.save(weights, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "does not match its checksum" in refusal(path)


def test_every_damaged_pickle_gives_the_same_kind_of_error(
    tmp_path: Path, weights: Weights
) -> None:
    path = tmp_path / "s0.pt"
    small = {key: weights[key] for key in list(weights)[:3]}
    torch.save(small, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for position in range(0, 600, 7):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):  # damaged, foreign or incomplete; never a traceback
            load_checkpoint(path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("modern", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: Weights, modern: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    torch.save({**weights, "x": Evil()}, path, _use_new_zipfile_serialization=modern)
    message = refusal(path)
    assert "would run or build posix.mkdir" in message and "save its state dict alone" in message
    assert not (tmp_path / "pwned").exists()


def test_a_pickled_module_is_refused_by_its_class(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    assert "would run or build torch.nn.modules.linear.Linear" in refusal(tmp_path / "module.pt")


def test_a_torchscript_program_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("script/data.pkl", "script/constants.pkl", "script/code/x.py"):
            archive.writestr(name, b"")
    assert "a TorchScript program, not weights" in refusal(tmp_path / "script.pt")


def test_another_zip_file_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert "a zip file, but not of torch.save" in refusal(tmp_path / "a.zip")


def test_a_training_file_without_a_model_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "net": {}}, tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt") == (
        "neither a state dict nor a training checkpoint with one under 'model'; no tensors are "
        "epoch, net; give a state dict written by torch.save (.pt, .pth) or safetensors"
    )


def test_a_lone_tensor_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt").startswith("holds a Tensor, not weights")


def test_an_empty_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {}}, tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt").startswith("holds no weights")


def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert "damaged or incomplete" in refusal(path)
