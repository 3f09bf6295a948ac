"""lunar-infer on a folder or a table of pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import BackendError
from numpy.typing import NDArray

from .outcomes import Outcome, names

FRAMES = (1, 2, 9, 10, 11, 12)


@pytest.fixture
def sequence(tmp_path: Path, make_texture: Callable[..., NDArray[np.uint8]]) -> Path:
    """Three pairs: im_10 comes after im_9, and not after im_1, if numbers are read as numbers."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    for i in FRAMES:
        (folder / f"im_{i}.png").write_bytes(cv2.imencode(".png", make_texture(i))[1].tobytes())
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_folder_of_alternating_images_is_many_pairs(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert names(out) == {"im_1", "im_9", "im_11"}
    assert outcome.out.splitlines()[-1] == f"3 of 3 pairs done (0 measured, 3 guessed), in {out}"
    report = json.loads((out / "im_9" / "report.json").read_text())
    assert report["right"]["path"].endswith("im_10.png")


def test_subfolders_left_and_right_are_paired_in_order(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    for side in ("left", "right"):
        (sequence / side).mkdir()
    for i in FRAMES[:4]:
        side = "left" if i < 9 else "right"
        (sequence / f"im_{i}.png").rename(sequence / side / f"{i}.png")
    infer(sequence, "--bundle", bundles["left"], "--out", tmp_path / "out")
    assert names(tmp_path / "out") == {"1", "2"}
    report = json.loads((tmp_path / "out" / "2" / "report.json").read_text())
    assert report["right"]["path"].endswith("10.png")


def test_a_table_names_images_rigs_and_results(
    infer: Callable[..., Outcome],
    sequence: Path,
    bundles: dict[str, Path],
    tmp_path: Path,
    write_rig: Callable[..., Path],
) -> None:
    rig = write_rig(left={"intrinsics": [80, 80, 32, 32]})
    table = sequence / "pairs.csv"
    table.write_text(
        f"right, left,rig,out\nim_2.png,im_1.png,{rig},first\n\nim_10.png,im_9.png,,\n",
        encoding="utf-8-sig",
    )
    outcome = infer(table, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    first, second = (json.loads(line) for line in outcome.out.splitlines())
    assert first["out"] == str(tmp_path / "out" / "first")
    assert first["camera_left"]["source"] == "rig"
    assert second["out"] == str(tmp_path / "out" / "im_9")
    assert second["camera_left"]["source"] == "nominal"


def test_one_bad_pair_does_not_stop_the_others(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    (sequence / "im_10.png").write_bytes(b"")
    out = tmp_path / "out"
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", out)
    assert outcome.code == 3
    assert names(out) == {"im_1", "im_11"}
    assert outcome.out.splitlines()[-1] == f"2 of 3 pairs done (0 measured, 2 guessed), in {out}"
    first, last = outcome.err.splitlines()
    assert first.startswith(f"lunar-infer: {sequence / 'im_9.png'}: ")
    assert first.endswith("im_10.png: is empty; copy it again")
    assert last == "lunar-infer: 1 of 3 pairs failed"


def test_json_of_many_pairs_has_a_line_for_the_bad_one_too(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    (sequence / "im_1.png").write_bytes(b"")
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    reports = [json.loads(line) for line in outcome.out.splitlines()]
    assert [report["status"] for report in reports] == ["failed"] + ["done"] * 2
    assert "is empty" in reports[0]["error"]
    assert outcome.code == 3


def test_two_pairs_at_once_give_the_bytes_of_one_by_one(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = [sequence, "--bundle", bundles["left"], "--out"]
    together = infer(*call, tmp_path / "two", "--threads", 2)
    alone = infer(*call, tmp_path / "one", "--threads", 1)
    assert together.out.replace("/two", "/one") == alone.out
    for folder in names(tmp_path / "one"):
        for name in names(tmp_path / "one" / folder) - {"report.json"}:  # holds times
            one, two = ((tmp_path / side / folder / name).read_bytes() for side in ("one", "two"))
            assert one == two, (folder, name)


def test_a_fault_of_the_machine_ends_a_batch(
    infer: Callable[..., Outcome],
    sequence: Path,
    bundles: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise BackendError("the device is gone")

    monkeypatch.setattr("lunar_runtime.backends.onnxruntime.OnnxRuntimeBackend.run", fails)
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", tmp_path / "out")
    assert (outcome.code, outcome.out) == (4, "")
    assert outcome.err == "lunar-infer: the device is gone\n"


def test_results_that_are_there_fail_their_pair_alone(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    call = [sequence, "--bundle", bundles["left"], "--out", tmp_path / "out"]
    (tmp_path / "out" / "im_9").mkdir(parents=True)
    outcome = infer(*call)
    assert outcome.code == 3
    assert "im_9: exists already; set --overwrite" in outcome.err
    assert infer(*call, "--overwrite").code == 0


def test_wrong_usage_stops_a_batch_before_its_first_pair(
    infer: Callable[..., Outcome], sequence: Path, bundles: dict[str, Path], tmp_path: Path
) -> None:
    outcome = infer(
        sequence, "--bundle", bundles["left"], "--view", "right", "--out", tmp_path / "o"
    )
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "o").exists()
