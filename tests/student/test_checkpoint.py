"""Checkpoints as people have them, and as they should not be."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import struct
import subprocess
import sys

import pytest
import torch
from lunar_runtime.errors import CheckpointError, OutputError
from lunar_student import FAMILY, build_student, load_checkpoint, read_state_dict, save_checkpoint
from safetensors import safe_open
from safetensors.torch import save_file

LAYER = "downstream_head1.dpt.scratch.layer{}_rn.weight"
ALIAS = "downstream_head1.dpt.scratch.layer_rn.{}.weight"


@pytest.fixture(scope="module")
def s0():
    torch.manual_seed(7)
    return build_student("S0").eval()


@pytest.fixture
def weights(s0):
    return {key: value.clone() for key, value in s0.state_dict().items()}


def same(student, weights):
    own = student.state_dict()
    return own.keys() == weights.keys() and all(torch.equal(own[k], weights[k]) for k in own)


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_plain_state_dict_loads(tmp_path, weights, suffix):
    torch.save(weights, tmp_path / f"s0{suffix}")
    student = load_checkpoint(tmp_path / f"s0{suffix}")
    assert student.config.id == "S0" and not student.training
    assert same(student, weights)
    assert not any(p.is_meta for p in student.parameters())


def test_the_training_format_loads_with_its_namespace(tmp_path, weights):
    content = {
        "model": {f"module.{key}": value for key, value in weights.items()},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]},
        "args": argparse.Namespace(model="AsymmetricMASt3R(enc_depth=24)", lr=1e-4),
        "epoch": 3,
        "best_so_far": 0.25,
    }
    torch.save(content, tmp_path / "checkpoint-last.pth")
    assert same(load_checkpoint(tmp_path / "checkpoint-last.pth"), weights)


def test_the_legacy_format_of_torch_save_loads(tmp_path, weights):
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert same(load_checkpoint(tmp_path / "old.pth"), weights)


def test_half_precision_weights_become_float32(tmp_path, weights):
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(half, tmp_path / "half.pt")
    student = load_checkpoint(tmp_path / "half.pt")
    assert {p.dtype for p in student.parameters()} == {torch.float32}


def test_safetensors_survive_the_round_trip(tmp_path, s0, weights):
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


def test_saving_over_the_file_that_a_student_was_loaded_from_is_safe(tmp_path, s0, weights):
    path = tmp_path / "s0.safetensors"
    save_checkpoint(s0, path)
    save_checkpoint(load_checkpoint(path), path)
    assert same(load_checkpoint(path), weights)
    assert [p.name for p in tmp_path.iterdir()] == ["s0.safetensors"]


def test_saving_into_a_missing_folder_says_so(tmp_path, s0):
    with pytest.raises(OutputError, match="cannot write"):
        save_checkpoint(s0, tmp_path / "nowhere" / "s0.safetensors")


def test_a_loaded_student_computes_what_the_saved_one_did(tmp_path, s0):
    save_checkpoint(s0, tmp_path / "s0.safetensors")
    pair = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(
            load_checkpoint(tmp_path / "s0.safetensors")(*pair).pointmap_right,
            s0(*pair).pointmap_right,
        )


@pytest.mark.parametrize("drop", [LAYER, ALIAS])
def test_either_name_of_an_aliased_tensor_is_enough(tmp_path, weights, drop):
    numbers = range(1, 5) if drop is LAYER else range(4)
    fewer = {k: v for k, v in weights.items() if k not in [drop.format(n) for n in numbers]}
    assert len(fewer) == len(weights) - 4
    torch.save(fewer, tmp_path / "s0.pt")
    assert same(load_checkpoint(tmp_path / "s0.pt"), weights)


def test_two_different_tensors_under_the_two_names_are_refused(tmp_path, weights):
    weights[ALIAS.format(2)] += 1
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        f"{LAYER.format(3)} and {ALIAS.format(2)} are one tensor in the network, but differ here; "
        "remove the one that was not trained"
    )


def test_missing_keys_are_named(tmp_path, weights):
    for key in ("dec_norm.bias", "dec_blocks.1.norm1.weight"):
        del weights[key]
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "looks like S0, but lacks dec_blocks.1.norm1.weight, dec_norm.bias; save the whole state "
        "dict of the student, and nothing else"
    )


def test_many_missing_keys_are_counted(tmp_path, weights):
    fewer = {k: v for k, v in weights.items() if not k.startswith("downstream_head2.")}
    torch.save(fewer, tmp_path / "s0.pt")
    more = len(weights) - len(fewer) - 3
    assert f" and {more} more; save the whole" in refusal(tmp_path / "s0.pt")


def test_extra_keys_are_named(tmp_path, weights):
    weights["projector.weight"] = torch.zeros(3)
    torch.save(weights, tmp_path / "s0.pt")
    assert "has projector.weight too many" in refusal(tmp_path / "s0.pt")


def test_a_wrong_shape_is_shown_beside_the_right_one(tmp_path, weights):
    weights["dec_norm.bias"] = torch.zeros(7)
    torch.save(weights, tmp_path / "s0.pt")
    message = refusal(tmp_path / "s0.pt")
    assert "has dec_norm.bias of another shape (dec_norm.bias: (7,), not (192,))" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, weights, value):
    weights["dec_norm.bias"][5] = value
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "dec_norm.bias hold NaN or infinity; use a checkpoint from before the training diverged"
    )


def test_quantised_weights_are_refused(tmp_path, weights):
    weights["dec_norm.bias"] = weights["dec_norm.bias"].to(torch.int8)
    torch.save(weights, tmp_path / "s0.pt")
    assert refusal(tmp_path / "s0.pt") == (
        "dec_norm.bias hold torch.int8, not real numbers; export the floating-point checkpoint, "
        "not a quantised one"
    )


def test_a_foreign_network_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "linear.pt")
    assert "not a network of this family" in refusal(tmp_path / "linear.pt")


def test_a_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "no.pt") == "no such checkpoint; check the path"


def test_a_folder_is_refused(tmp_path):
    assert refusal(tmp_path) == "is a folder; give the checkpoint file inside it"


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "s0.pt").touch()
    assert refusal(tmp_path / "s0.pt") == "is empty; copy or download it again"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "s0.pt").touch(mode=0)
    assert "check its permissions" in refusal(tmp_path / "s0.pt")


@pytest.mark.parametrize("content", [b"hello, Moon\n" * 9, b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "s0.pt").write_bytes(content)
    assert refusal(tmp_path / "s0.pt") == (
        "not a checkpoint; give a state dict written by torch.save (.pt, .pth) or safetensors"
    )


@pytest.mark.parametrize("kept", [0.3, 0.99])
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_truncated_file_is_refused(tmp_path, s0, weights, form, kept):
    path = tmp_path / "s0.pt"
    if form == "safetensors":
        save_checkpoint(s0, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=form == "zip")
    os.truncate(path, int(path.stat().st_size * kept))
    assert "the file is damaged or incomplete; copy or download it again" in refusal(path)


def test_one_flipped_bit_is_found(tmp_path, weights):
    path = tmp_path / "s0.pt"
    torch.save(weights, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "does not match its checksum" in refusal(path)


def test_every_damaged_pickle_gives_the_same_kind_of_error(tmp_path, weights):
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
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("modern", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path, monkeypatch, weights, modern):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    torch.save({**weights, "x": Evil()}, path, _use_new_zipfile_serialization=modern)
    message = refusal(path)
    assert "would run or build posix.mkdir" in message and "save its state dict alone" in message
    assert not (tmp_path / "pwned").exists()


def test_a_pickled_module_is_refused_by_its_class(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    assert "would run or build torch.nn.modules.linear.Linear" in refusal(tmp_path / "module.pt")


def test_a_torchscript_program_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        for name in ("script/data.pkl", "script/constants.pkl", "script/code/x.py"):
            archive.writestr(name, b"")
    assert "a TorchScript program, not weights" in refusal(tmp_path / "script.pt")


def test_another_zip_file_is_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert "a zip file, but not of torch.save" in refusal(tmp_path / "a.zip")


def test_a_training_file_without_a_model_is_refused(tmp_path):
    torch.save({"epoch": 3, "net": {}}, tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt") == (
        "neither a state dict nor a training checkpoint with one under 'model'; no tensors are "
        "epoch, net; give a state dict written by torch.save (.pt, .pth) or safetensors"
    )


def test_a_lone_tensor_is_refused(tmp_path):
    torch.save(torch.zeros(3), tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt").startswith("holds a Tensor, not weights")


def test_an_empty_state_dict_is_refused(tmp_path):
    torch.save({"model": {}}, tmp_path / "x.pt")
    assert refusal(tmp_path / "x.pt").startswith("holds no weights")


def test_a_safetensors_header_that_lies_is_refused(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    assert "damaged or incomplete" in refusal(path)


def test_any_state_dict_can_be_read_without_being_a_student(tmp_path):
    save_file({"module.a": torch.ones(2, dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    (key, value), *_ = read_state_dict(tmp_path / "x.safetensors").items()
    assert key == "a" and value.dtype == torch.float32


def test_loading_holds_the_weights_once(tmp_path):
    """S3 is 380 MB; two copies would add 760 MB to what importing torch takes."""
    path = tmp_path / "s3.pt"
    with torch.device("meta"):
        meta = build_student("S3")
    torch.save({k: torch.zeros_like(v, device="cpu") for k, v in meta.state_dict().items()}, path)
    code = (
        "import resource, sys\n"
        "import torch\n"
        "from lunar_student import FAMILY, build_student, load_checkpoint\n"
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


def test_a_width_outside_the_family_comes_back_with_its_heads(tmp_path):
    config = dataclasses.replace(FAMILY["S0"], decoder_dim=96, decoder_depth=2, decoder_heads=2)
    save_checkpoint(build_student(config), tmp_path / "narrow.safetensors")
    loaded = load_checkpoint(tmp_path / "narrow.safetensors").config
    assert (loaded.decoder_dim, loaded.decoder_heads) == (96, 2)
