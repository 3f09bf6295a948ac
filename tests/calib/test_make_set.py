from __future__ import annotations

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.datasets.stereolunar_frames import write_pair
from lunar_calib.sets.augmentation import augment
from lunar_calib.sets.calibration_manifest import FIRST_EVALUATION_SEED
from lunar_calib.sets.calibration_set import CalibrationSet
from lunar_calib.sets.image_sources import apollo, images
from lunar_calib.sets.make_set import make_default_set, make_set
from lunar_calib.sets.posed_pairs import stereolunar as posed_source
from lunar_calib.sets.rendered_source import MOST_RENDERED, MOST_SEEDS, rendered
from lunar_calib.sets.verify_set import verify_set
from lunar_runtime.errors import InputError, OutputError, UsageError

from .conftest import DATA, pixels_of, strip, texture, write


def test_a_set_holds_the_pixels_that_it_was_given(tmp_path: Path) -> None:
    pixels = strip(tmp_path / "in", 4)
    made = make_set(tmp_path / "set", [images(tmp_path / "in")])
    pairs = {p.scene: made.images_of(p) for p in made.manifest.pairs}
    np.testing.assert_array_equal(pairs["0.png 1.png"], pixels[:2])
    np.testing.assert_array_equal(pairs["2.png 3.png"], pixels[2:])
    assert all(made.holds(image) for image in pixels)
    assert verify_set(tmp_path / "set") == []


def test_an_augmented_pair_is_the_given_one_turned(tmp_path: Path) -> None:
    pixels = strip(tmp_path / "in", 4)
    made = make_set(tmp_path / "set", [images(tmp_path / "in")], augmented=15)
    assert made.count == 32
    for record in made.manifest.pairs:
        first = int(record.scene[0])
        expected = augment(pixels[first], pixels[first + 1], record.augmentation)
        np.testing.assert_array_equal(made.images_of(record), expected)
    assert verify_set(tmp_path / "set") == []
    assert {r.quantity for r in made.manifest.coverage} >= {"orientation", "order"}


def test_pairs_that_are_not_square_stay_as_they_lie(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4, shape=(80, 121))
    made = make_set(tmp_path / "set", [images(tmp_path / "in")], augmented=15)
    assert made.count == 2 * 8
    assert {pair.left.shape for pair in made.originals()} == {(80, 121)}
    assert verify_set(tmp_path / "set") == []


def test_sources_are_mixed_and_their_notices_travel(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    (tmp_path / "in/LICENSE").write_text("CC0")
    strip(tmp_path / "film", 2, shape=(90, 90))
    source = rendered(3, 64)
    made = make_set(
        tmp_path / "set",
        [source, images(tmp_path / "in"), apollo(tmp_path / "film", "public domain")],
    )
    assert [(s.name, s.candidates, s.licence) for s in made.manifest.sources] == [
        ("rendered", 3, "Apache-2.0 (lunar-edge's renderer)"),
        ("images", 2, "see its notices"),
        ("apollo", 1, "public domain"),
    ]
    assert made.manifest.sources[1].notices == ("notices/images-LICENSE",)
    assert (made.path / "notices/images-LICENSE").read_text() == "CC0"
    assert made.count == 6
    assert made.manifest.coverage[-1].chosen == (2, 1, 3)  # files are looked at first


def test_two_folders_are_two_sources(tmp_path: Path) -> None:
    strip(tmp_path / "a", 2)
    write(tmp_path / "b/0.png", texture(8))
    write(tmp_path / "b/1.png", texture(9))
    made = make_set(tmp_path / "set", [images(tmp_path / "a"), images(tmp_path / "b")])
    assert [s.name for s in made.manifest.sources] == ["images", "images-2"]


def test_no_path_of_the_machine_is_in_a_set(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    made = make_set(tmp_path / "set", [images(tmp_path / "in")])
    assert str(tmp_path) not in (made.path / "calibration.json").read_text()


def test_all_bad_images_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    strip(folder, 12)
    png = folder / "0.png"
    png.write_bytes(png.read_bytes()[:700])
    (folder / "1.png").write_text("no image")
    write(folder / "2.png", np.full((96, 96), 90, np.uint8))
    write(folder / "3.png", np.zeros((96, 96), np.uint8))
    write(folder / "4.png", texture(4, (40, 40)))
    bright = texture(5)
    bright[:48] = 255
    write(folder / "5.png", bright)
    write(folder / "7.png", texture(7, (96, 100)))
    write(folder / "9.png", texture(8))
    with pytest.raises(InputError) as error:
        make_set(tmp_path / "set", [images(folder), rendered(10**4, 256)])  # is not begun
    text = str(error.value)
    assert text.startswith("unusable images (8): ")
    for part in (
        "0.png: truncated PNG",
        "1.png: not a PNG, JPEG, TIFF or PGM image",
        "2.png: no texture (all one grey level",
        "3.png: no texture (all black",
        "4.png: 40x40 px is too small",
        "5.png: saturated (5",
        "7.png: 100x96 px, but",
        "9.png: the same image as",
    ):
        assert part in text
    assert not (tmp_path / "set").exists()


def test_a_bad_image_of_a_sequence_is_listed_once(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    (tmp_path / "in/1.png").write_text("no image")
    with pytest.raises(InputError, match=r"^unusable images \(1\): "):
        make_set(tmp_path / "set", [images(tmp_path / "in", "sequence")])


def test_a_pair_that_is_given_twice_is_told(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    twice = [images(tmp_path / "in"), images(tmp_path / "in")]
    with pytest.raises(InputError, match=r"1\.png: the same images as 0\.png 1\.png"):
        make_set(tmp_path / "set", twice)


@pytest.mark.parametrize("augmented", [0, 15])
def test_one_pair_is_no_set(tmp_path: Path, augmented: int) -> None:
    strip(tmp_path / "in", 2)
    with pytest.raises(InputError, match=r"1 usable pair, .*; give 2 different pairs or more"):
        make_set(tmp_path / "set", [images(tmp_path / "in")], augmented=augmented)
    with pytest.raises(UsageError, match="1 pairs asked for; a calibration set has 2 or more"):
        make_set(tmp_path / "set", [images(tmp_path / "in")], count=1)
    assert not (tmp_path / "set").exists()


def test_fewer_candidates_than_asked_for_are_refused(tmp_path: Path) -> None:
    strip(tmp_path / "in", 6)
    with pytest.raises(InputError, match="3 candidates, fewer than the 9 pairs asked for"):
        make_set(tmp_path / "set", [images(tmp_path / "in")], count=9)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))  # bytes: a PNG here has 8000
    try:
        with pytest.raises(OutputError, match=r"set: cannot write \(File too large\)"):
            make_set(tmp_path / "set", [images(tmp_path / "in")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_set_that_is_there_is_replaced_only_when_told(tmp_path: Path) -> None:
    strip(tmp_path / "in", 6)
    source = images(tmp_path / "in")
    first = make_set(tmp_path / "set", [source], count=2)
    with pytest.raises(OutputError, match="exists already; set overwrite"):
        make_set(tmp_path / "set", [source])
    assert CalibrationSet.open(tmp_path / "set").digest == first.digest
    assert make_set(tmp_path / "set", [source], overwrite=True).count == 3
    assert [path.name for path in tmp_path.iterdir() if path.name != "in"] == ["set"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    strip(tmp_path / "in", 4)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match=r"'thesis\.tex', which is not ours to overwrite"):
        make_set(tmp_path / "set", [images(tmp_path / "in")], overwrite=True)


def test_the_default_set_is_the_same_whatever_the_jobs(tmp_path: Path) -> None:
    alone = make_default_set(tmp_path / "a", 64, count=2)
    shared = make_default_set(tmp_path / "b", 64, count=2, jobs=2)
    assert alone.digest == shared.digest
    assert make_default_set(tmp_path / "c", 64, count=2, seed=1).digest != alone.digest


def test_seeds_share_no_pair_and_none_reaches_evaluation(tmp_path: Path) -> None:
    last = [c.seed for c in rendered(3, 64, 0).candidates()][-1]
    first = next(rendered(1, 64, 1).candidates()).seed
    assert last is not None and first is not None
    assert last < first == MOST_RENDERED
    assert MOST_SEEDS * MOST_RENDERED <= FIRST_EVALUATION_SEED
    with pytest.raises(UsageError, match="calibration has the seeds 0 to 7699"):
        rendered(1, 64, MOST_SEEDS)
    with pytest.raises(UsageError, match="10001 rendered pairs; 1 to 10000 can be asked for"):
        rendered(MOST_RENDERED + 1, 64)
    with pytest.raises(UsageError, match="600 rendered pairs of 2048 px are over 4 GiB of memory"):
        rendered(600, 2048)


def test_a_rendered_pair_is_made_again_from_its_seed(tmp_path: Path) -> None:
    made = make_default_set(tmp_path / "set", 64, count=2)
    for record in made.manifest.pairs:
        kind = record.scene.split("(")[1].rstrip(")")
        assert record.seed is not None
        pair = render_pair(sample_spec(record.seed, 64, kind=kind))
        np.testing.assert_array_equal(made.images_of(record), (pair.left.image, pair.right.image))
        assert record.sun_elevation_deg == pytest.approx(pair.spec.sun_elevation_deg, abs=0.01)


def test_posed_frames_become_a_set(tmp_path: Path) -> None:
    for i in range(2):
        write_pair(render_pair(sample_spec(i, 64)), tmp_path / f"in/s{i}")
    made = make_set(tmp_path / "set", [posed_source(tmp_path / "in")])
    assert sorted(p.scene for p in made.manifest.pairs) == [
        "s0/im_00000 im_00001",
        "s1/im_00000 im_00001",
    ]
    assert all(p.altitude_m and p.altitude_m > 3000 for p in made.manifest.pairs)


def test_a_frame_without_its_image_is_listed(tmp_path: Path) -> None:
    for i in range(2):
        write_pair(render_pair(sample_spec(i, 64)), tmp_path / f"in/s{i}")
        (tmp_path / f"in/s{i}/im_00001.png").unlink()
    with pytest.raises(
        InputError, match=r"^unusable images \(2\): .*s0/im_00001\.png: no such fil"
    ):
        make_set(tmp_path / "set", [posed_source(tmp_path / "in")])


def test_published_imagery_makes_a_set(tmp_path: Path, stereolunar: Path) -> None:
    film = DATA / "apollo15"
    if not film.is_dir():
        pytest.skip(f"no Apollo frames at {film} (set LUNAR_DATA)")
    made = make_set(tmp_path / "set", [posed_source(stereolunar), apollo(film)])
    assert made.count == 12 + 3
    assert {pair.left.shape for pair in made.originals()} == {(512, 512), (1012, 1012)}
    assert (made.path / "notices/stereolunar-LICENSE").is_file()
    heights = {p.altitude_m for p in made.manifest.pairs if p.source == "apollo"}
    assert None in heights  # 0295 and 0296 have no camera
    assert all(h is None or 118e3 < h < 120e3 for h in heights)  # 119 km in its notes
    assert verify_set(made.path) == []


def test_the_contact_sheet_shows_every_pair(tmp_path: Path) -> None:
    pixels = strip(tmp_path / "in", 4)
    made = make_set(tmp_path / "set", [images(tmp_path / "in")])
    sheet = pixels_of(made.path / "contact_sheet.png")
    for image in pixels:  # 96 px enlarged to the 128 px of a thumb
        thumb = cv2.resize(image, (128, 128), interpolation=cv2.INTER_LINEAR)
        match = cv2.matchTemplate(sheet, thumb, cv2.TM_CCOEFF_NORMED)
        assert match.max() > 0.999
