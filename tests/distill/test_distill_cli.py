"""`lunar-distill` and `lunar-distill distill` from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from lunar_student import build_student, load_checkpoint

from .conftest import run_tool


def small(out: Path) -> list[str]:
    options = "--student S0-48x2 --size 64 --batch 2 --pairs 4 --warmup 1 --fp32 --lr 1e-3"
    more = "--calibration-pairs 2 --min-confidence 1 --held-out-pairs 2"
    return ["--teacher", "S0", *options.split(), *more.split(), "--out", str(out)]


def test_options_without_a_command_distil(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = [*small(out), "--data", str(shards), "--held-out", str(shards)]
    assert run_tool(arguments) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(out / "S0-48x2.safetensors")
    assert "S0-48x2 starts with" in said.err
    assert load_checkpoint(out / "S0-48x2.safetensors").config.decoder_depth == 2
    with (out / "evaluation.csv").open() as file:
        [row] = csv.DictReader(file)
    assert (row["step"], row["student"], row["pairs"]) == ("2", "S0-48x2", "2")
    assert float(row["absrel_null"]) > 0
    with (out / "log.csv").open() as file:
        [row] = csv.DictReader(file)
    assert {"points", "relief", "features", "taught"} - set(row) == {"relief"}
    assert run_tool(arguments) == 0  # done already: it says so again and trains nothing
    assert capsys.readouterr().out.strip() == str(out / "S0-48x2.safetensors")


def test_pairs_can_be_rendered_while_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tool([*small(tmp_path / "run"), "--render", "3", "--pairs", "2"]) == 0
    assert "S0-48x2.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "code", "text"),
    [
        (["--teacher", "S3"], 3, "no weights of S3 are in"),
        (["--teacher", "moonst3r.pth"], 3, "moonst3r.pth: no such checkpoint, nor a member of"),
        (["--student", "S0-48x2"], 2, "--student: each one once"),
        (["--encoder", "S2=x.pt"], 2, "--encoder S2=x.pt: must be STUDENT=FILE with one of"),
        (["--student", "S0-384x2"], 2, "S0-384x2 has decoder_dim 384, its teacher 192"),
        (["--size", "60"], 2, "--size 60: must be a multiple of 32"),
    ],
)
def test_what_cannot_be_is_one_line(
    shards: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    extra: list[str],
    code: int,
    text: str,
) -> None:
    assert run_tool([*small(tmp_path / "run"), "--data", str(shards), *extra]) == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("lunar-distill: ") and text in error
    assert not (tmp_path / "run").exists()


def test_no_pairs_at_all_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(small(tmp_path / "run")) == 2
    assert "give one of --data DIR and --render SEED" in capsys.readouterr().err


def test_a_pretrained_encoder_is_taken_over(tmp_path: Path) -> None:
    from lunar_distill.starts.encoder_weights import load_encoder
    from lunar_distill.starts.named_students import with_encoder
    from lunar_runtime.errors import CheckpointError
    from lunar_student.config import S0, EncoderKind

    config = with_encoder(S0, EncoderKind.MOBILENETV3)
    pretrained, student = build_student(config), build_student(config)
    weights = pretrained.tiny_enc.backbone.state_dict() | {"classifier.weight": torch.zeros(9, 9)}
    torch.save(weights, tmp_path / "timm.pt")
    load_encoder(student, tmp_path / "timm.pt")
    ours = student.tiny_enc.backbone.state_dict()
    assert all(torch.equal(ours[key], weights[key]) for key in ours)
    del weights["conv_stem.weight"]
    torch.save(weights, tmp_path / "timm.pt")
    with pytest.raises(CheckpointError, match=r"conv_stem.weight is missing, \(16, 3, 3, 3\) is"):
        load_encoder(student, tmp_path / "timm.pt")


def test_grow_writes_a_checkpoint_that_supervise_starts_from(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lunar_student import save_checkpoint

    save_checkpoint(build_student("S0"), tmp_path / "s0.safetensors")
    grown = tmp_path / "large.safetensors"
    arguments = ["--init", str(tmp_path / "s0.safetensors"), "--depth", "6", "--out", str(grown)]
    assert run_tool(["grow", *arguments]) == 0
    assert "S0-192x6, 11.6 M parameters" in capsys.readouterr().out
    assert run_tool(["grow", *arguments]) == 3
    assert "large.safetensors: exists already; add --overwrite" in capsys.readouterr().err
    options = ["--size", "64", "--batch", "2", "--pairs", "2", "--fp32"]
    given = ["--init", str(grown), "--data", str(shards), "--out", str(tmp_path / "run")]
    assert run_tool(["supervise", *options, *given]) == 0
    assert load_checkpoint(tmp_path / "run" / "student.safetensors").config.decoder_depth == 6


def test_figures_are_printed_or_saved_and_not_replaced_unasked(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lunar_distill.starts.named_students import named_config
    from lunar_student import save_checkpoint

    save_checkpoint(build_student(named_config("S0-48x2")), tmp_path / "s.safetensors")
    given = ["--ckpt", str(tmp_path / "s.safetensors"), "--data", str(shards)]
    save = ["--save", str(tmp_path / "figures.json")]
    arguments = ["evaluate", *given, "--size", "64", "--pairs", "2"]
    assert run_tool([*arguments, "--json", *save]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["pair"] for row in printed["pairs"]] == ["rendered 0", "rendered 1"]
    assert printed["summary"]["pairs"] == 2
    assert json.loads((tmp_path / "figures.json").read_text()) == printed
    assert run_tool([*arguments, *save]) == 3
    assert "figures.json: exists already; add --overwrite" in capsys.readouterr().err
    assert run_tool([*arguments, *save, "--overwrite"]) == 0
    assert capsys.readouterr().out.startswith("2 pairs: AbsRel")


def test_starts_are_compared(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--teacher", "S0", "--student", "S0-48x2", "--data", str(shards), "--size", "64"]
    assert run_tool(["starts", *given, "--pairs", "2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["settings"] == {"teacher": "S0", "pairs": 2, "size_px": 64, "seed": 0}
    assert [row["start"] for row in record["starts"]] == ["stream", "svd", "random"]
    assert all(min(row["decoder_error"], row["points_error"]) > 0 for row in record["starts"])
