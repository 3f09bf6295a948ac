from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from lunar_bench.cli import main
from lunar_calib.shards import write_shards
from lunar_runtime import default_bundle_path


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_a_bundle_is_measured_beside_the_plane_null(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(write_shards(tmp_path / "shards", 2, 256, seed=11))
    arguments = ["accuracy", str(default_bundle_path()), "--data", str(tmp_path / "shards")]
    assert run([*arguments, "--save", str(tmp_path / "result.json")]) == 0
    assert "S0 on 2 rendered pairs, 256x256" in capsys.readouterr().out
    result = msgspec.json.decode((tmp_path / "result.json").read_bytes())
    assert len(result["pairs"]) == 2
    for pair in result["pairs"]:
        # The plane calls everything flat; a student that saw nothing would too.
        assert pair["hazard_miss_null"]["15.0"] in (1.0, None)
        assert pair["slope_mae_deg"] < pair["slope_mae_null_deg"]
    assert result["medians"]["absrel_median"] > 0
    assert result["machine"]["commit"]


def test_one_source_of_truth_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accuracy", str(default_bundle_path())]) == 2
    error = capsys.readouterr().err
    assert error == "lunar-bench: give one of --data and --stereolunar\n"
