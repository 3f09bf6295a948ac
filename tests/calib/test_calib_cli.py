from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from lunar_calib.cli import main
from lunar_calib.datasets.shards import open_shards
from lunar_calib.datasets.stereolunar_frames import read_pair
from lunar_calib.datasets.stereolunar_scenes import find_scenes


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def test_render_writes_scenes_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert run("render", "--count", 2, "--size", 64, "--seed", 3, "--out", out) == 0
    scenes = find_scenes(out)
    assert [str(s.folder) for s in scenes] == capsys.readouterr().out.split()
    assert scenes[1].numbers == (2, 3)
    assert read_pair(*scenes[1].pairs[0]).left.image.shape == (64, 64)


def test_files_do_not_depend_on_the_number_of_jobs(tmp_path: Path) -> None:
    for jobs in (1, 2):
        arguments = ("--count", 2, "--size", 64, "--preset", "realistic", "--jobs", jobs)
        assert run("render", *arguments, "--out", tmp_path / str(jobs)) == 0
    for file in (tmp_path / "1").rglob("im_*.png"):
        other = tmp_path / "2" / file.relative_to(tmp_path / "1")
        assert file.read_bytes() == other.read_bytes()


def test_a_folder_with_files_is_not_written_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run("render", "--size", 64, "--out", tmp_path) == 3
    error = capsys.readouterr().err
    fault = f"{tmp_path}: not empty; set --overwrite or choose another folder"
    assert error == f"lunar-calib: {fault}\n"


def test_a_size_that_makes_no_sense_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("render", "--size", 5, "--out", tmp_path / "x") == 2
    assert "64<=x<=2048" in capsys.readouterr().err


def test_shards_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s"
    assert run("shards", "--count", 2, "--size", 64, "--out", out) == 0
    assert capsys.readouterr().out.strip() == str(out / "shard_00000")
    [shard] = open_shards(out)
    assert shard["left_image"].shape == (2, 64, 64)


def test_shards_of_landings_can_be_asked_for(tmp_path: Path) -> None:
    assert run("shards", "--kind", "landing", "--count", 1, "--size", 64, "--out", tmp_path) == 0
    [spec] = json.loads((tmp_path / "shard_00000/specs.json").read_text())
    assert spec["kind"] == "landing"


@pytest.mark.parametrize("name", ["render", "shards", "make", "inspect", "verify"])
def test_help_does_not_import_opencv(name: str) -> None:
    code = (
        "import sys\n"
        "from lunar_calib.cli import main\n"
        f"try:\n    main(['{name}', '--help'])\n"
        "except SystemExit:\n    assert 'cv2' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_make_inspect_and_verify_tell_of_one_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    assert run("make", "--out", out, "--count", 2, "--rendered", 3, "--size", 64) == 0
    made = capsys.readouterr().out
    digest = made.splitlines()[-1].split()[1]
    assert made.startswith(f"set      {out}\npairs    2 (64x64 px)\nsource   rendered: 2 of 3 cand")
    assert "\n  mean grey    " in made
    assert run("inspect", out) == 0
    assert capsys.readouterr().out == made
    assert run("inspect", out, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["digest"], values["count"], len(values["pairs"])) == (digest, 2, 2)
    again = ("make", "--out", out, "--count", 2, "--rendered", 3, "--size", 64, "--overwrite")
    assert run(*again, "--json") == 0
    remade = json.loads(capsys.readouterr().out)
    assert remade == values | {"created": remade["created"]}
    assert run("verify", out) == 0
    assert capsys.readouterr().out == (
        f"{out}: 2 pairs, 5 files, digests, statistics and coverage are right\n{digest}\n"
    )


def test_verify_says_all_that_differs_and_exits_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    run("make", "--out", out, "--count", 2, "--rendered", 2, "--size", 64)
    capsys.readouterr()
    (out / "images/0000_left.png").unlink()
    (out / "contact_sheet.png").unlink()
    assert run("verify", out) == 3
    error = capsys.readouterr().err
    assert error.startswith("lunar-calib: 2 differences: ")
    assert "contact_sheet.png: missing | " in error
    assert error.count("\n") == 1
    assert run("inspect", out) == 3


def test_bad_images_are_one_line_and_exit_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("left.png", "right.png"):
        (tmp_path / "in" / name).write_text("no image")
    assert run("make", "--images", tmp_path / "in", "--out", tmp_path / "set") == 3
    error = capsys.readouterr().err
    assert error.startswith("lunar-calib: unusable images (2): ")
    assert error.count("\n") == 1
    assert not (tmp_path / "set").exists()


def test_a_set_that_is_there_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    assert run("make", "--rendered", 500, "--size", 2048, "--out", tmp_path / "set") == 3
    assert "exists already; set --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--count", 1), "'--count': 1 is not in the range x>=2"),
        (("--augment", 16), "0<=x<=15"),
        (("--licence", "CC0"), "--licence is of images"),
        (("--pairing", "name"), "--pairing says nothing without --images"),
        (("--apollo", "x", "--size", 64), "--size says nothing without --rendered"),
        (("--apollo", "x", "--jobs", 2), "--jobs says nothing without --rendered"),
        (("--seed", 7700), "calibration has the seeds 0 to 7699"),
        (("--rendered", 10_001), "1 to 10000 can be asked for"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], text: str
) -> None:
    assert run("make", "--out", tmp_path / "set", *arguments) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_no_source_at_all_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("make", "--out", tmp_path / "set", "--rendered", 0) == 3
    assert "0 usable pair" in capsys.readouterr().err
