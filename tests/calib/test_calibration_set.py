from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_calib.sets.calibration_manifest import (
    FIRST_EVALUATION_SEED,
    MANIFEST_NAME,
    CalibrationManifest,
    decode,
    encode,
)
from lunar_calib.sets.calibration_set import CalibrationSet
from lunar_calib.sets.make_set import make_default_set
from lunar_calib.sets.verify_set import verify_set
from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.network_frame import prepare

from .conftest import pixels_of

COUNT = 3


@pytest.fixture(scope="module")
def rendered_set(tmp_path_factory: pytest.TempPathFactory) -> CalibrationSet:
    return make_default_set(tmp_path_factory.mktemp("sets") / "set", 64, count=COUNT)


@pytest.fixture
def folder(rendered_set: CalibrationSet, tmp_path: Path) -> Path:
    """A copy of the set, to damage."""
    return Path(shutil.copytree(rendered_set.path, tmp_path / "set"))


def relist(folder: Path, name: str) -> None:
    """Make the manifest list a file as it is now."""
    content = (folder / name).read_bytes()

    def list_it(values: dict[str, Any]) -> None:
        values["files"][name] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }

    edit(folder, list_it)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / MANIFEST_NAME
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        CalibrationSet.open(folder)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_set_is_opened_with_its_digest_and_count(rendered_set: CalibrationSet) -> None:
    opened = CalibrationSet.open(str(rendered_set.path))
    assert (opened.digest, opened.count) == (rendered_set.digest, COUNT)
    assert opened.path == rendered_set.path
    assert verify_set(rendered_set.path) == []


def test_the_digest_is_over_names_order_and_pixels(rendered_set: CalibrationSet) -> None:
    digest = hashlib.sha256()
    for record in rendered_set.manifest.pairs:
        digest.update(record.name.encode() + b"\n")
        for name in (record.left, record.right):
            pixels = pixels_of(rendered_set.path / name)
            digest.update(b"64 64\n" + pixels.tobytes())
    assert digest.hexdigest() == rendered_set.digest


def test_pairs_are_prepared_as_the_runtime_prepares_them(rendered_set: CalibrationSet) -> None:
    originals = list(rendered_set.originals())
    for pair, original in zip(rendered_set.pairs(32, 48), originals, strict=True):
        assert pair.name == original.name
        assert pair.left.dtype == np.uint8
        np.testing.assert_array_equal(pair.left, prepare(original.left, 32, 48)[0])
        np.testing.assert_array_equal(pair.right, prepare(original.right, 32, 48)[0])


def test_a_set_knows_the_images_it_was_made_from(rendered_set: CalibrationSet) -> None:
    pair = next(rendered_set.originals())
    assert rendered_set.holds(pair.left)
    assert rendered_set.holds(pair.right)
    assert not rendered_set.holds(255 - pair.left)
    assert not rendered_set.holds(pair.left.reshape(32, 128))  # the same bytes, another image


def test_a_manifest_is_read_back_as_it_was_written(rendered_set: CalibrationSet) -> None:
    assert decode(encode(rendered_set.manifest)) == rendered_set.manifest


def test_other_compression_is_the_same_set(folder: Path, rendered_set: CalibrationSet) -> None:
    name = rendered_set.manifest.pairs[0].left
    pixels = pixels_of(folder / name)
    cv2.imwrite(str(folder / name), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    relist(folder, name)
    assert CalibrationSet.open(folder).digest == rendered_set.digest


def test_one_grey_level_more_is_another_set(folder: Path, rendered_set: CalibrationSet) -> None:
    name = rendered_set.manifest.pairs[0].left
    pixels = pixels_of(folder / name)
    pixels[3, 4] ^= 1
    cv2.imwrite(str(folder / name), pixels)
    relist(folder, name)
    assert "the pairs' digest is" in refusal(folder)


def test_another_order_is_another_set(folder: Path) -> None:
    edit(folder, lambda values: values["pairs"].reverse())
    assert f"not {CalibrationSet(folder, decode_of(folder)).digest[:12]}" in refusal(folder)


def decode_of(folder: Path) -> CalibrationManifest:
    return decode((folder / MANIFEST_NAME).read_bytes())


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "images/0001_right.png").unlink()
    assert refusal(folder) == (
        f"{folder}/images/0001_right.png: missing; copy the set again or make it with "
        "lunar-calib make"
    )


def test_a_truncated_image_is_named(folder: Path) -> None:
    file = folder / "images/0000_left.png"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[: size // 2])
    assert refusal(folder).startswith(f"{file}: {size // 2} bytes instead of {size}; copy")


def test_a_truncated_image_that_is_listed_so_is_refused_too(folder: Path) -> None:
    file = folder / "images/0000_left.png"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    relist(folder, "images/0000_left.png")
    assert refusal(folder).startswith(f"{file}: truncated PNG")


def test_an_altered_byte_is_found(folder: Path) -> None:
    file = folder / "contact_sheet.png"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "altered (its SHA-256 differs from the manifest)" in refusal(folder)


def test_a_file_that_is_not_listed_is_named(folder: Path) -> None:
    (folder / "images/0003_left.png").write_bytes(b"more")
    assert f"{folder}/images/0003_left.png: not listed in calibration.json" in refusal(folder)


def test_a_link_is_no_file_of_the_set(folder: Path, tmp_path: Path) -> None:
    file = folder / "images/0000_left.png"
    file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(tmp_path / "elsewhere.png")
    assert "is a symbolic link; a set holds its files itself" in refusal(folder)


def test_a_folder_of_something_else_is_no_set(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert refusal(tmp_path) == (
        f"{tmp_path}: no calibration.json, so this is no calibration set; make one with "
        "lunar-calib make"
    )


def test_a_path_that_does_not_exist_or_is_a_file_is_no_set(tmp_path: Path) -> None:
    assert "no such calibration set" in refusal(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    assert "not a folder; a calibration set is one" in refusal(tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: v.update(format_version=2), "format_version 2, this version reads 1"),
        (lambda v: v.update(colour="red"), "unknown field `colour`"),
        (lambda v: v.pop("digest"), "missing required field `digest`"),
        (lambda v: v["pairs"][1].update(left=v["pairs"][0]["left"]), "an image is listed twice"),
        (lambda v: v["pairs"][1].update(name=v["pairs"][0]["name"]), "a pair is listed twice"),
        (lambda v: v["pairs"][0].update(source="moon"), "source 'moon' is not in `sources`"),
        (lambda v: v["pairs"][0].update(left="../x.png"), "../x.png is not in `files`"),
        (
            lambda v: v["files"].update({"../x": v["files"]["contact_sheet.png"]}),
            "file name '../x': leads out of the bundle",
        ),
        (lambda v: v.update(pairs=v["pairs"][:1]), "1 scene; a calibration set needs 2 or more"),
        (
            lambda v: v["pairs"][0].update(seed=FIRST_EVALUATION_SEED),
            "seed 77000001 is reserved for evaluation",
        ),
        (lambda v: v["coverage"][0].update(edges=[0.0]), "coverage of mean grey: 1 edges for"),
        (lambda v: v["coverage"][0].update(chosen=[1]), "labels for another number of bins"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], text: str
) -> None:
    edit(folder, change)
    assert text in refusal(folder)


def test_a_manifest_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(b"\xff\xfe not json")
    assert "not a calibration set's manifest" in refusal(folder)


def test_an_image_that_changes_after_opening_is_refused(folder: Path) -> None:
    opened = CalibrationSet.open(folder)
    shutil.copy(folder / "images/0001_left.png", folder / "images/0000_left.png")
    with pytest.raises(InputError, match=r"0000_left\.png: altered; copy the set again"):
        next(opened.pairs(64, 64))


def test_images_of_two_sizes_are_no_pair(folder: Path) -> None:
    name = "images/0000_right.png"
    cv2.imwrite(str(folder / name), np.zeros((64, 80), np.uint8))
    relist(folder, name)
    assert "0000_right.png: not of the size of images/0000_left.png" in refusal(folder)


def test_verify_lists_every_file_that_differs(folder: Path) -> None:
    (folder / "images/0001_right.png").unlink()
    (folder / "stray.txt").write_text("x")
    (folder / "images/0000_left.png").write_bytes(b"short")
    differences = verify_set(folder)
    assert [Path(line.split(":")[0]).name for line in differences] == [
        "stray.txt",
        "0000_left.png",
        "0001_right.png",
    ]


def test_verify_recomputes_statistics_and_coverage(folder: Path) -> None:
    def lie(values: dict[str, Any]) -> None:
        values["pairs"][0]["statistics"]["mean_grey"] += 40
        values["coverage"][1]["chosen"][0] += 1

    edit(folder, lie)
    CalibrationSet.open(folder)  # files and digest are right
    first, *rest = verify_set(folder)
    assert first.startswith(f"{folder}/images/0000_left.png: mean_grey is ")
    assert any("coverage of contrast is" in line for line in rest)


def test_verify_recomputes_what_the_images_were_made_from(folder: Path) -> None:
    edit(folder, lambda values: values["pairs"][0]["original_sha256"].reverse())
    assert verify_set(folder) == [
        f"{folder}/images/0000_left.png: original_sha256 is not that of its pixels"
    ]


def test_verify_finds_a_source_that_gave_more_than_it_had(folder: Path) -> None:
    edit(folder, lambda values: values["sources"][0].update(candidates=2))
    assert verify_set(folder) == [
        f"{folder}/calibration.json: 3 pairs of 2 candidates from rendered"
    ]


def test_every_file_of_a_set_is_listed(rendered_set: CalibrationSet) -> None:
    files = {f.relative_to(rendered_set.path).as_posix() for f in rendered_set.path.rglob("*.*")}
    assert files == {MANIFEST_NAME, *rendered_set.manifest.files}
    assert len(files) == 2 + 2 * COUNT
    for name, record in rendered_set.manifest.files.items():
        content = (rendered_set.path / name).read_bytes()
        assert record == FileRecord(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
