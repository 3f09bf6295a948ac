"""The command: a page, or one line that says what is wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from .results import run


def test_a_page_of_two_results_is_one_file_below_four_megabytes(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    code, out, err = run(
        capsys, results / "s0", results / "images", "--truth", results / "pair", "--out", page
    )
    assert (code, err) == (0, "")
    assert (
        out == f"page   {page}, {page.stat().st_size / 1e6:.1f} MB\npairs  1, at most 3 methods\n"
    )
    assert page.stat().st_size < 4e6
    assert list(tmp_path.iterdir()) == [page]
    text = page.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy.group(1).startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy.group(1) and "http" not in policy.group(1)
    # Nothing on the page has an address but what it says of itself.
    assert set(re.findall(r"https?://[^\"'\s)]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_folder_of_a_batch_is_all_its_results(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("s0", "images"):
        shutil.copytree(results / name, tmp_path / "batch" / name)
    code, out, err = run(capsys, tmp_path / "batch", "--out", tmp_path / "page.html")
    assert (code, err) == (0, "")
    assert out.endswith("pairs  1, at most 2 methods\n")


def test_a_page_that_is_there_is_kept(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    code, _, err = run(capsys, results / "s0", "--out", page)
    assert (code, err) == (
        3,
        f"lunar-view: {page}: exists; set --overwrite or choose another name\n",
    )
    assert page.read_text() == "mine"
    assert run(capsys, results / "s0", "--out", page, "--overwrite")[0] == 0


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def holding(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def of_two_pixels(folder: Path) -> None:
    np.savez(folder / "pointmap.npz", left=np.zeros((2, 2, 3)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("report.json"), "no report.json in it; give a folder that lunar-infer wrote"),
        (holding("report.json", b"{}"), "report.json: damaged, or of another version"),
        (holding("slope.tif", b"x"), "slope.tif: not a TIFF that can be decoded"),
        (without("pointmap.npz"), "pointmap.npz: no such file"),
        (holding("pointmap.npz", b"x"), "pointmap.npz: damaged"),
        (of_two_pixels, "no points of the left view"),
    ],
)
def test_an_unusable_result_is_one_line(
    spoil: Callable[[Path], object],
    message: str,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "result"
    shutil.copytree(results / "s0", folder)
    spoil(folder)
    code, _, err = run(capsys, folder, "--out", tmp_path / "page.html")
    assert code == 3
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_wrong_usage_is_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = ["--truth", results / "pair"]
    code, _, err = run(capsys, results / "s0", *truth, *truth, "--out", tmp_path / "page.html")
    assert code == 2
    assert err.startswith("lunar-view: 2 times --truth for 1 pairs of images")
    code, _, err = run(
        capsys, results / "s0", "--truth", tmp_path / "none.npz", "--out", tmp_path / "p.html"
    )
    assert (code, err) == (
        3,
        f"lunar-view: {tmp_path}/none.npz: no such file; give an NPZ with the true depth\n",
    )
