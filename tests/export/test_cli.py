"""`lunar-export` as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch
from export.conftest import last_layer
from lunar_export.commands.export import main
from lunar_export.commands.options import STUDENTS, WEIGHTS
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.files.digests import sha256_of
from lunar_student import FAMILY, build_student, save_checkpoint
from lunar_student.checkpoint_layouts import WEIGHTS_KINDS

#: Exit code, stdout, stderr of a command line.
Call: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        streams = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, streams.out, streams.err

    return run


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys\n"
        "from lunar_export.commands.export import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'cv2', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Make a bundle for lunar-infer from a student's checkpoint" in done.stdout


def test_a_checkpoint_becomes_a_bundle(call: Call, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    code, printed, errors = call(
        "--ckpt", checkpoint, "--student", "S0", "--size", "64x96", "--outputs", "left",
        "--precision", "fp32", "--out", out, "--triton", tmp_path / "models",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    assert f"triton   {tmp_path / 'models' / 'lunar_s0_left_fp32'}\n" in printed
    served = tmp_path / "models" / "lunar_s0_left_fp32" / "1" / "model.onnx"
    assert sha256_of(served) == sha256_of(out / "model.onnx")
    assert printed.startswith(f"bundle   {out}, ")
    assert "network  S0, " in printed and "graph    left, 64 x 96 px, fp32" in printed
    bundle = Bundle.open(out)
    assert bundle.manifest.student.id == "S0"
    assert bundle.manifest.student.checkpoint_sha256 == sha256_of(checkpoint)

    # What is there stays, unless told otherwise.
    code, _, errors = call("--ckpt", checkpoint, "--size", "64", "--out", out)
    assert (code, errors) == (
        3,
        f"lunar-export: {out}: exists already; set --overwrite or choose another name\n",
    )
    assert Bundle.open(out).digest == bundle.digest

    code, printed, errors = call(
        "--untrained", "S0", "--size", "64", "--out", out, "--overwrite", "--json"
    )
    assert (code, errors) == (0, "")
    assert json.loads(printed)["student"]["id"] == "S0-untrained"
    assert Bundle.open(out).manifest.graph.width == 64


def test_the_students_to_choose_from_are_the_family() -> None:
    assert tuple(FAMILY) == STUDENTS
    assert WEIGHTS == WEIGHTS_KINDS


def test_averaged_weights_are_taken_if_asked_for(call: Call, tmp_path: Path) -> None:
    averaged = build_student("S0").state_dict()
    # The model's own have diverged: a bundle can only be the average's.
    own = {
        key: torch.full_like(value, torch.inf) if value.is_floating_point() else value
        for key, value in averaged.items()
    }
    both, alone = tmp_path / "both.pt", tmp_path / "alone.pt"
    torch.save({"model": own, "ema": averaged}, both)
    torch.save(averaged, alone)
    out = tmp_path / "bundle"
    code, _, errors = call("--ckpt", both, "--size", "64", "--out", out)
    assert code == 3
    assert "hold NaN or infinity" in errors
    assert call("--ckpt", alone, "--weights", "ema", "--out", out) == (
        3,
        "",
        f"lunar-export: {alone}: holds no averaged (EMA) weights, only the model's own ones; "
        "choose them with --weights model\n",
    )
    assert not out.exists()
    code, printed, errors = call("--ckpt", both, "--weights", "ema", "--size", "64", "--out", out)
    assert (code, errors) == (0, "")
    assert "network  S0, " in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either --ckpt FILE or --untrained STUDENT"),
        (["--ckpt", "x.pt", "--untrained", "S0"], "give either --ckpt FILE or --untrained STUDENT"),
        (
            ["--untrained", "S0", "--student", "S0"],
            "--student checks a checkpoint; --untrained already names the student",
        ),
        (
            ["--untrained", "S0", "--weights", "ema"],
            "--weights chooses among a checkpoint's; --untrained has random ones",
        ),
        (
            ["--untrained", "S0", "--precision", "fp8"],
            "Invalid value for '--precision': 'fp8' is not one of 'fp32', 'bf16', 'fp16', 'int8'; "
            "see lunar-export --help",
        ),
        (
            ["--untrained", "S0", "--calib", "set"],
            "--calib is for precision fp16 or int8; leave it out",
        ),
        (
            ["--untrained", "S0", "--plot", "layers.png"],
            "--plot is for precision fp16 or int8; leave it out",
        ),
        (
            ["--untrained", "S0", "--force"],
            "--force is for precision fp16 or int8; leave it out",
        ),
        (
            ["--untrained", "S0", "--precision", "fp16", "--calib-method", "mse"],
            "--calib-method is for precision int8; leave it out",
        ),
        (
            ["--untrained", "S9"],
            "Invalid value for '--untrained': 'S9' is not one of 'S0', 'S1', 'S2', 'S3', 'S4', "
            "'teacher'; see lunar-export --help",
        ),
        (
            ["--untrained", "S0", "--size", "big"],
            "Invalid value for '--size': 'big' is neither a number of pixels nor HxW; see "
            "lunar-export --help",
        ),
        (
            ["--untrained", "S0", "--size", "500x512"],
            "`height` 500: must be a multiple of 16 from 32 to 4096; the nearest is 496",
        ),
        (
            ["--untrained", "S0", "--outputs", "all"],
            "--outputs all: S0 has no descriptors; use both",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    out = tmp_path / "bundle"
    assert call(*arguments, "--out", out) == (2, "", f"lunar-export: {message}\n")
    assert not out.exists()


def test_a_missing_checkpoint_is_exit_3(call: Call, tmp_path: Path) -> None:
    assert call("--ckpt", tmp_path / "s2.pt", "--out", tmp_path / "bundle") == (
        3,
        "",
        f"lunar-export: {tmp_path / 's2.pt'}: no such checkpoint; check the path\n",
    )


def test_a_folder_of_other_things_is_not_overwritten(call: Call, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert call("--untrained", "S0", "--out", tmp_path, "--overwrite") == (
        3,
        "",
        f"lunar-export: {tmp_path}: holds 'thesis.tex', which is not ours to overwrite; choose "
        "another folder\n",
    )
    assert (tmp_path / "thesis.tex").exists()


def test_another_student_than_expected_is_exit_3(
    call: Call, checkpoint: Path, tmp_path: Path
) -> None:
    assert call("--ckpt", checkpoint, "--student", "S2", "--out", tmp_path / "bundle") == (
        3,
        "",
        f"lunar-export: {checkpoint}: holds S0, not S2; leave --student out to export it\n",
    )


def test_a_network_that_overflows_is_exit_5_and_leaves_nothing(call: Call, tmp_path: Path) -> None:
    student = build_student("S0")
    bias = last_layer(student.downstream_head1.dpt.head).bias
    assert bias is not None
    bias.data.fill_(100.0)  # exp(100) is more than float32 holds
    path = tmp_path / "s0.safetensors"
    save_checkpoint(student, path)
    out = tmp_path / "new" / "bundle"
    code, printed, errors = call("--ckpt", path, "--size", "64", "--out", out)
    assert (code, printed) == (5, "")
    assert errors.startswith("lunar-export: the network itself gives NaN or infinity in ")
    assert errors.endswith("did not diverge\n") and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]
