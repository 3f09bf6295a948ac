"""Checkpoints as training code of many kinds saves them: wrapped, averaged, in several files."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from lunar_runtime.errors import CheckpointError
from lunar_student import build_student, load_checkpoint, read_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Weights = dict[str, Tensor]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(OrderedDict(stem=nn.Linear(2, 3), head=nn.Linear(3, 1)))


@pytest.fixture
def weights() -> Weights:
    return network().state_dict()


@pytest.fixture
def averaged() -> Weights:
    return network(1).state_dict()


def prefixed(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{key}": value for key, value in weights.items()}


def check(path: Path, content: object, expected: Weights, **options: Any) -> None:
    torch.save(content, path)
    check_read(path, expected, **options)


def check_read(path: Path, expected: Weights, **options: Any) -> None:
    found = read_state_dict(path, **options)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module.", "model.", "student.",
     "model.module.", "student._orig_mod.", "net.", "network."],
)  # fmt: skip
@pytest.mark.parametrize("under", [None, "model", "state_dict", "model_state_dict"])
def test_c26_wrappers_and_prefixes_go(
    tmp_path: Path, weights: Weights, prefix: str, under: str | None
) -> None:
    inner = prefixed(prefix, weights)
    content = inner if under is None else {under: inner, "epoch": 3, "optimizer": {}}
    check(tmp_path / "x.pt", content, weights)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")  # PyTorch's own
def test_c26_what_torch_compile_and_parallel_training_save_is_read(
    tmp_path: Path, weights: Weights
) -> None:
    compiled: Any = torch.compile(network())
    assert all(key.startswith("_orig_mod.") for key in compiled.state_dict())
    check(tmp_path / "x.pt", compiled.state_dict(), weights)
    check(tmp_path / "y.pt", nn.DataParallel(network()).state_dict(), weights)
    part: Any = network()
    part.stem = torch.compile(part.stem)  # one layer alone: the mark is inside the key
    assert "stem._orig_mod.weight" in part.state_dict()
    check(tmp_path / "z.pt", part.state_dict(), weights)


def test_what_averaging_saves_is_read_without_its_counter(tmp_path: Path, weights: Weights) -> None:
    average = AveragedModel(network())
    assert "n_averaged" in average.state_dict()
    check(tmp_path / "x.pt", average.state_dict(), weights)
    check(tmp_path / "y.pt", {"ema": average.state_dict()}, weights, weights="ema")


def test_c26_a_lightning_checkpoint_is_read(tmp_path: Path, weights: Weights) -> None:
    """Its keys as Lightning 2 writes them, of a module with student, teacher and loss."""
    content = {
        "epoch": 3,
        "global_step": 4000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": OrderedDict(
            prefixed("student.", weights)
            | prefixed("teacher.", network(2).state_dict())
            | {"criterion.scale": torch.ones(1)}
        ),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.1)}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-4}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-4},
    }
    check(tmp_path / "last.ckpt", content, weights)


BESIDE = {
    "beside the model": lambda w, e: {"model": w, "ema": e},
    "of timm": lambda w, e: {"state_dict": w, "state_dict_ema": e},
    "with its decay": lambda w, e: {"model": w, "model_ema": {"decay": 0.99, "state_dict": e}},
    "inside Lightning's": lambda w, e: {
        "state_dict": prefixed("model.", w) | prefixed("ema_model.module.", e)
        | {"ema_model.n_averaged": torch.tensor(7)}
    },
    "of ema-pytorch": lambda w, e: prefixed("online_model.", w) | prefixed("ema_model.", e)
    | {"initted": torch.tensor(True), "step": torch.tensor(3)},
}  # fmt: skip


@pytest.mark.parametrize("layout", BESIDE.values(), ids=BESIDE)
def test_c26_of_a_model_and_its_average_the_model_is_taken_and_the_other_mentioned(
    tmp_path: Path,
    weights: Weights,
    averaged: Weights,
    layout: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "x.pt"
    with caplog.at_level(logging.WARNING):
        check(path, layout(weights, averaged), weights)
    (said,) = caplog.messages
    assert said == (
        f"{path}: holds averaged (EMA) weights too; these are the model's own, `weights` ema takes "
        "the averaged ones"
    )
    caplog.clear()
    check_read(path, averaged, weights="ema")
    assert not caplog.messages


@pytest.mark.parametrize(
    ("content", "wanted", "said"),
    [
        ({"model": {"a": torch.ones(1)}}, "ema", "holds no averaged (EMA) weights, only the"),
        ({"a": torch.ones(1)}, "ema", "holds no averaged (EMA) weights, only the model's own ones"),
        (
            {"ema": {"a": torch.ones(1)}},
            "model",
            "holds no model's own weights, only the averaged (EMA) ones; choose them with "
            "`weights` ema",
        ),
        (
            {"model": {"a": torch.ones(1)}, "state_dict": {"a": torch.zeros(1)}},
            "model",
            "holds weights under 'model' and 'state_dict'; save one of them alone",
        ),
        (
            {"a": torch.ones(1), "_orig_mod.a": torch.zeros(1)},
            "model",
            "holds the same tensors with and without '_orig_mod.'",
        ),
        ({"state_dict": {}}, "model", "holds no weights"),
        ({"state_dict": {"a": 1.5}}, "model", "no tensors are a"),
    ],
)
def test_what_is_not_there_or_not_clear_is_refused(
    tmp_path: Path, content: object, wanted: Any, said: str
) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(tmp_path / "x.pt", weights=wanted)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'x.pt'}: ")


def test_a_student_is_loaded_from_its_average(tmp_path: Path) -> None:
    students = [build_student("S0"), build_student("S0")]
    model, ema = (student.state_dict() for student in students)
    torch.save({"model": model, "ema": prefixed("module.", ema)}, tmp_path / "x.pt")
    loaded = load_checkpoint(tmp_path / "x.pt", weights="ema").state_dict()
    assert all(torch.equal(loaded[key], ema[key]) for key in ema)
    assert not all(torch.equal(loaded[key], model[key]) for key in model)


@pytest.fixture
def index(tmp_path: Path, weights: Weights) -> Path:
    """Two safetensors files and their index, as large models are shared."""
    owners: dict[str, str] = {}
    for number, layer in enumerate(("stem", "head"), start=1):
        name = f"model-{number:05}-of-00002.safetensors"
        part = {key: value for key, value in weights.items() if key.startswith(layer)}
        save_file(prefixed("module.", part), tmp_path / name)
        owners |= dict.fromkeys(prefixed("module.", part), name)
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 52}, "weight_map": owners}))
    return path


def test_c26_weights_in_several_files_are_read_by_their_index(
    index: Path, weights: Weights
) -> None:
    check_read(index, weights)


def test_c26_parts_written_by_torch_save_are_read_too(tmp_path: Path, weights: Weights) -> None:
    owners = {key: f"pytorch_model-{key[:4]}.bin" for key in weights}
    for name in set(owners.values()):
        torch.save({key: weights[key] for key in weights if owners[key] == name}, tmp_path / name)
    path = tmp_path / "pytorch_model.bin.index.json"
    path.write_text(json.dumps({"weight_map": owners}))
    check_read(path, weights)
    torch.save([1.0], tmp_path / "pytorch_model-stem.bin")
    with pytest.raises(CheckpointError, match=r"stem\.bin: holds no tensors by name"):
        read_state_dict(path)


@pytest.mark.parametrize(
    "name", ["module", "params", "net", "network", "weights", "model_state", "student_state_dict"]
)
def test_c26_other_names_are_read_where_no_better_one_is(
    tmp_path: Path, weights: Weights, averaged: Weights, name: str
) -> None:
    check(tmp_path / "a.pt", {name: weights, "params_ema": averaged, "epoch": 3}, weights)
    check(tmp_path / "b.pt", {name: weights, "params_ema": averaged}, averaged, weights="ema")
    check(tmp_path / "c.pt", {name: {"loss": 0.5}, "model": weights}, weights)


@pytest.mark.parametrize("inside", ["_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
def test_c26_names_of_wrappers_go_inside_keys(
    tmp_path: Path, weights: Weights, inside: str
) -> None:
    wrapped = {key.replace("stem.", f"stem.{inside}"): value for key, value in weights.items()}
    check(tmp_path / "a.pt", prefixed(inside, wrapped), weights)


def test_a_missing_or_foreign_part_is_refused(index: Path, weights: Weights) -> None:
    part = index.with_name("model-00002-of-00002.safetensors")
    save_file({"module.head.weight": weights["head.weight"]}, part)
    with pytest.raises(CheckpointError, match=r"and the index differ in module\.head\.bias"):
        read_state_dict(index)
    part.unlink()
    with pytest.raises(CheckpointError, match="which is not beside it; copy all files"):
        read_state_dict(index)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"weight_map": [1]}', '{"weight_map": {"a": "../x.safetensors"}}']
)
def test_a_damaged_index_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"not an index|not beside it"):
        read_state_dict(path)
