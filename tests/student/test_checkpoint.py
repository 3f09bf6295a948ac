"""Checkpoints as people have them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lunar_runtime.errors import OutputError
from lunar_student import (
    FAMILY,
    Student,
    build_student,
    load_checkpoint,
    read_state_dict,
    save_checkpoint,
)
from safetensors import safe_open
from safetensors.torch import save_file
from student.conftest import Weights

LAYER = "downstream_head1.dpt.scratch.layer{}_rn.weight"
ALIAS = "downstream_head1.dpt.scratch.layer_rn.{}.weight"


def same(student: Student, weights: Weights) -> bool:
    own = student.state_dict()
    return own.keys() == weights.keys() and all(torch.equal(own[k], weights[k]) for k in own)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_plain_state_dict_loads(tmp_path: Path, weights: Weights, suffix: str) -> None:
    torch.save(weights, tmp_path / f"s0{suffix}")
    student = load_checkpoint(tmp_path / f"s0{suffix}")
    assert student.config.id == "S0" and not student.training
    assert same(student, weights)
    assert not any(p.is_meta for p in student.parameters())


def test_the_training_format_loads_with_its_namespace(tmp_path: Path, weights: Weights) -> None:
    content = {
        "model": {f"module.{key}": value for key, value in weights.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
        "args": argparse.Namespace(model="AsymmetricMASt3R(enc_depth=24)", lr=1e-4),
        "epoch": 3,
        "best_so_far": 0.25,
    }
    torch.save(content, tmp_path / "checkpoint-last.pth")
    assert same(load_checkpoint(tmp_path / "checkpoint-last.pth"), weights)


def test_the_legacy_format_of_torch_save_loads(tmp_path: Path, weights: Weights) -> None:
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(load_checkpoint(tmp_path / "old.pth"), weights)


def test_half_precision_weights_become_float32(tmp_path: Path, weights: Weights) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(half, tmp_path / "half.pt")
    student = load_checkpoint(tmp_path / "half.pt")
    assert {p.dtype for p in student.parameters()} == {torch.float32}


def test_safetensors_survive_the_round_trip(tmp_path: Path, s0: Student, weights: Weights) -> None:
    path = tmp_path / "s0.safetensors"
    save_checkpoint(s0, path)
    assert same(load_checkpoint(path), weights)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "student": "S0", "decoder_heads": "4"}
        keys = set(file.keys())
    assert LAYER.format(1) in keys and ALIAS.format(0) not in keys
    size = sum(p.numel() * 4 for p in s0.parameters()) + sum(
        b.numel() * b.element_size() for b in s0.buffers()
    )
    assert path.stat().st_size < size + 100_000  # the header; no tensor twice


def test_saving_over_the_file_that_a_student_was_loaded_from_is_safe(
    tmp_path: Path, s0: Student, weights: Weights
) -> None:
    path = tmp_path / "s0.safetensors"
    save_checkpoint(s0, path)
    save_checkpoint(load_checkpoint(path), path)
    assert same(load_checkpoint(path), weights)
    assert [p.name for p in tmp_path.iterdir()] == ["s0.safetensors"]


def test_saving_into_a_missing_folder_says_so(tmp_path: Path, s0: Student) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(s0, tmp_path / "nowhere" / "s0.safetensors")


def test_a_loaded_student_computes_what_the_saved_one_did(tmp_path: Path, s0: Student) -> None:
    save_checkpoint(s0, tmp_path / "s0.safetensors")
    pair = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(
            load_checkpoint(tmp_path / "s0.safetensors")(*pair).pointmap_right,
            s0(*pair).pointmap_right,
        )


@pytest.mark.parametrize("drop", [LAYER, ALIAS])
def test_either_name_of_an_aliased_tensor_is_enough(
    tmp_path: Path, weights: Weights, drop: str
) -> None:
    numbers = range(1, 5) if drop is LAYER else range(4)
    fewer = {k: v for k, v in weights.items() if k not in [drop.format(n) for n in numbers]}
    assert len(fewer) == len(weights) - 4
    torch.save(fewer, tmp_path / "s0.pt")
    assert same(load_checkpoint(tmp_path / "s0.pt"), weights)


def test_any_state_dict_can_be_read_without_being_a_student(tmp_path: Path) -> None:
    save_file({"module.a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    (key, value), *_ = read_state_dict(tmp_path / "x.safetensors").items()
    assert key == "a" and value.dtype == torch.float32


def test_loading_holds_the_weights_once(tmp_path: Path) -> None:
    """S3 is 380 MB; two copies would add 760 MB to what importing torch takes."""
    path = tmp_path / "s3.pt"
    with torch.device("meta"):
        meta = build_student("S3")
    torch.save({k: torch.zeros_like(v, device="cpu") for k, v in meta.state_dict().items()}, path)
    code = (
        "import resource, sys\n"
        "import torch\n"
        "from lunar_student import FAMILY, Student, build_student, load_checkpoint\n"
        "with torch.device('meta'): build_student('S3')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "student = load_checkpoint(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) * 1024 < 1.5 * path.stat().st_size


def test_a_width_outside_the_family_comes_back_with_its_heads(tmp_path: Path) -> None:
    config = dataclasses.replace(FAMILY["S0"], decoder_dim=96, decoder_depth=2, decoder_heads=2)
    save_checkpoint(build_student(config), tmp_path / "narrow.safetensors")
    loaded = load_checkpoint(tmp_path / "narrow.safetensors").config
    assert (loaded.decoder_dim, loaded.decoder_heads) == (96, 2)
