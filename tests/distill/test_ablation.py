"""The ablation: arms, resumption, table and picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest
from lunar_distill.ablation.arms import arms
from lunar_distill.ablation.report import write_report
from lunar_distill.objectives.recipe import Recipe
from lunar_distill.starts.named_students import named_config, with_decoder, with_encoder
from lunar_distill.starts.start_choice import Start
from lunar_runtime.errors import InputError
from lunar_student.config import FAMILY, EncoderKind

from .conftest import run_tool


def test_every_arm_departs_from_the_best_in_one_thing() -> None:
    base = FAMILY["S2"]
    every = arms(
        base,
        Recipe(),
        [with_decoder(base, 256, 4)],
        [with_encoder(base, EncoderKind.VIT_TINY)],
    )
    best, others = every[0], {arm.name: arm for arm in every[1:]}
    assert others["no SVD"].start is Start.RANDOM
    assert others["SVD as published"].start is Start.SVD
    assert others["frozen encoder"].freeze_encoder and not best.freeze_encoder
    assert others["no feature loss"].recipe.feature_weight == 0
    assert others["ground truth"].recipe.target == "truth"
    assert others["1% of ground truth"].recipe.truth_density == 0.01
    assert others["decoder 256x4"].config.decoder_dim == 256
    assert others["encoder vit_tiny_patch16"].config.encoder is EncoderKind.VIT_TINY
    assert len({arm.folder for arm in every}) == len(every) == 9
    for arm in others.values():
        fields = ("config", "start", "recipe", "freeze_encoder")
        assert sum(getattr(arm, name) != getattr(best, name) for name in fields) == 1


def test_a_family_member_with_another_decoder_is_that_member() -> None:
    s3 = named_config("S2-256x4")
    assert (s3.decoder_dim, s3.decoder_depth) == (FAMILY["S3"].decoder_dim, 4)


def results(out: Path, values: dict[str, list[float]]) -> None:
    for name, errors in values.items():
        for seed, error in enumerate(errors):
            folder = out / name.replace(" ", "_") / f"seed{seed}"
            folder.mkdir(parents=True)
            row = {"arm": name, "seed": seed, "teacher_error": error, "parameters": 4.5e6}
            others = ("teacher_relief", "absrel_of_null", "slope_mae_of_null", "relief_correlation")
            (folder / "result.json").write_text(json.dumps(row | dict.fromkeys(others, 0.5)))


def test_the_table_gives_means_and_half_ranges_of_what_is_done(tmp_path: Path) -> None:
    results(tmp_path, {"best": [0.01, 0.02], "no SVD": [0.03]})
    every = arms(FAMILY["S0"], Recipe(), [], [])
    where = {"processor": "p", "cores": 2, "torch": "t", "commit": "c"}
    paths = write_report(tmp_path, every, {"teacher": "T"}, where)
    assert [path.name for path in paths] == [
        "ablation.md", "ablation.csv", "ablation.json", "ablation.png",
    ]  # fmt: skip
    text = paths[0].read_text()
    assert "| best | 4.5 | 2 | 1.500 ± 0.500 | 0.500 ± 0.000 |" in text
    assert "| no SVD | 4.5 | 1 | 3.000 ± 0.000 |" in text
    assert "- machine: p, 2 cores, PyTorch t, commit c" in text
    assert "ground truth" not in text  # not done
    assert len(list(csv.DictReader(paths[1].read_text().splitlines()))) == 3
    picture = cv2.imread(str(paths[3]))
    assert picture is not None and picture.std() > 5


def test_no_arm_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no arm is done yet; run lunar-distill ablate again"):
        write_report(tmp_path, arms(FAMILY["S0"], Recipe(), [], []), {}, {})


def test_an_ablation_stops_and_goes_on(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    options = "--teacher S0 --student S0-48x2 --size 64 --batch 2 --pairs 2 --warmup 1 --fp32"
    more = "--seeds 1 --held-out-pairs 2 --calibration-pairs 2 --min-confidence 1"
    arguments = ["ablate", *options.split(), *more.split(), "--out", str(out)]
    arguments += ["--data", str(shards), "--held-out", str(shards)]
    results(out, {name: [0.5] for name in DONE_BEFORE})
    assert run_tool(arguments) == 0
    said = capsys.readouterr()
    assert [Path(line).name for line in said.out.split()] == [
        "ablation.md", "ablation.csv", "ablation.json", "ablation.png",
    ]  # fmt: skip
    assert [line.split(":")[0] for line in said.err.splitlines()] == [
        "seed 0, best", "seed 0, 1% of ground truth",
    ]  # fmt: skip
    record = json.loads((out / "ablation.json").read_text())
    assert set(record["settings"]["starts"]) == {"stream", "svd", "random"}
    assert 0 < record["arms"]["best"][0]["teacher_error"] < 1
    assert not list(out.glob("*/seed0/state.pt"))
    assert run_tool(arguments) == 0
    assert capsys.readouterr().err == ""  # all done: only the report is made again


DONE_BEFORE = ("SVD as published", "no SVD", "frozen encoder", "no feature loss", "ground truth")


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ([], "--held-out: give pairs that no arm trains on"),
        (["--held-out", ".", "--decoder", "big"], "--decoder big: must be as in 256x4"),
        (["--held-out", ".", "--encoder", "vit=x.pt"], "--encoder vit=x.pt: must be KIND=FILE"),
    ],
)
def test_wrong_usage_is_one_line(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], text: str
) -> None:
    base = ["ablate", "--teacher", "S0", "--data", str(shards), "--out", str(tmp_path / "run")]
    assert run_tool([*base, *extra]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lunar-distill: {text}")
    assert error.count("\n") == 1
