"""How the runtime comes to planetary images, with the extra and without."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.image_readers import GROUP, open_source
from lunar_runtime.files.images import read_image
from lunar_runtime.files.pair_lists import read_pairs
from lunar_runtime.files.window import Window

from .planetary_files import Array, ground, write_isis, write_pds3, write_pds4

EXAMPLE = Path(__file__).parents[2] / "examples/pair"
INFER = "import sys; sys.argv[0] = 'lunar-infer'; from lunar_runtime.commands.infer import main; "


def textured(dtype: str = "<i2") -> Array:
    return ground(64, 64).astype(dtype)


def picture(name: str) -> Array:
    grey = cv2.imread(str(EXAMPLE / name), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    return grey.astype(np.uint8)


def infer(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{before}{INFER}main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_ours_are_entry_points_by_suffix() -> None:
    names = {entry.name for entry in entry_points(group=GROUP)}
    assert names == {"cub", "img", "lbl", "lblx", "qub", "xml"}


def test_an_image_is_stretched_masked_and_hashed_as_any_other(tmp_path: Path) -> None:
    values = textured()
    values[:8] = -32768
    path = write_isis(tmp_path / "a.cub", values)
    image = read_image(path)
    assert image.valid is not None
    assert np.array_equal(image.valid, values != -32768)
    assert image.stretch is not None
    assert image.stretch[0] >= 20  # nothing of the null is in it
    assert (image.dtype, image.channels, image.size) == ("int16", 1, (64, 64))
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_labels_and_its_pixels_digest_is_that_of_both(tmp_path: Path) -> None:
    label = write_pds4(tmp_path / "a.xml", textured("u1"), "UnsignedByte")
    both = label.read_bytes() + (tmp_path / "a.img").read_bytes()
    assert read_image(label).sha256 == hashlib.sha256(both).hexdigest()


def test_a_window_is_the_same_as_a_part_of_the_whole(tmp_path: Path) -> None:
    values = textured("u1")
    window = Window(9, 13, 40, 33)
    paths = [
        write_isis(tmp_path / "a.cub", values, tile=(20, 30)),
        write_pds3(tmp_path / "B.IMG", values, "UNSIGNED_INTEGER", prefix=3, suffix=4),
        write_pds4(tmp_path / "c.xml", values, "UnsignedByte"),
    ]
    for path in paths:
        image = read_image(path, window)
        assert np.array_equal(image.pixels, window.of(values))
        assert (image.window, image.source_size) == (window, (64, 64))
        with pytest.raises(InputError, match="leaves the image, which has 64x64 px"):
            read_image(path, Window(30, 0, 40, 40))


def test_a_label_is_known_by_its_first_bytes_whatever_its_name(tmp_path: Path) -> None:
    values = textured("u1")
    for name, path in (
        ("a.dat", write_isis(tmp_path / "a.cub", values)),
        ("b", write_pds3(tmp_path / "B.IMG", values, "UNSIGNED_INTEGER")),
        ("c.label", write_pds4(tmp_path / "c.xml", values, "UnsignedByte")),
    ):
        renamed = path.rename(tmp_path / name)
        assert np.array_equal(read_image(renamed).pixels, values)


def test_an_ordinary_image_never_meets_a_reader(tmp_path: Path) -> None:
    for suffix in (".png", ".jpg", ".tif", ".pgm"):
        path = tmp_path / f"a{suffix}"
        cv2.imwrite(str(path), textured("u1"))
        assert open_source(path) is None
        image = path.rename(tmp_path / "a.img")
        assert open_source(image) is None
        assert read_image(image).size == (64, 64)


def test_a_plus_sign_names_a_band(tmp_path: Path) -> None:
    bands = np.stack([ground(64, 64, seed) for seed in range(3)]).astype("u1")
    path = write_isis(tmp_path / "a.cub", bands)
    assert np.array_equal(read_image(f"{path}+2").pixels, bands[1])
    with pytest.raises(InputError, match=r"a\.cub: has 3 bands"):
        read_image(path)


def test_pixels_without_a_label_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(textured("u1").tobytes())
    (tmp_path / "a.lbl").write_text("not a label")
    with pytest.raises(InputError, match="none beside it that points to it; give the label"):
        read_image(path)


def test_a_scan_over_100_megapixels_asks_for_a_window(tmp_path: Path) -> None:
    path = write_isis(tmp_path / "a.cub", textured("u1"))
    label = path.read_bytes()[:4096].replace(b"Lines   = 64", b"Lines   = 1600000")
    path.write_bytes(label[:4096].ljust(4096, b"\0"))
    with path.open("r+b") as file:
        file.truncate(4096 + 64 * 1_600_000)  # a hole in the file: takes no room
    with pytest.raises(InputError, match="over 100 megapixels; choose a part with `window`"):
        read_image(path)


def test_a_pair_of_cubes_gives_what_the_pair_of_pictures_gives(tmp_path: Path) -> None:
    options = ["--refine", "off", "--json"]
    # Without ISIS' null and saturation, which an 8-bit cube has at 0 and 255.
    values = [np.clip(picture(name), 1, 254) for name in ("left.png", "right.png")]
    cubes = [
        write_isis(tmp_path / "left.cub", values[0]),
        write_pds3(tmp_path / "RIGHT.IMG", values[1], "UNSIGNED_INTEGER", suffix=6),
    ]
    for name, v in zip(("left.png", "right.png"), values, strict=True):
        cv2.imwrite(str(tmp_path / name), v)
    done = infer(*cubes, *options, "--out", tmp_path / "cubes")
    same = infer(tmp_path / "left.png", tmp_path / "right.png", *options, "--out", tmp_path / "png")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = json.loads(done.stdout), json.loads(same.stdout)
    assert first["views"] == second["views"]


def test_a_window_of_cubes_goes_through_the_command(tmp_path: Path) -> None:
    left = write_isis(tmp_path / "left.cub", np.clip(picture("left.png"), 1, 254), tile=(100, 100))
    right = write_isis(tmp_path / "right.cub", np.clip(picture("right.png"), 1, 254))
    options = ["--refine", "off", "--window", "64,32,256,256", "--json", "--out", tmp_path / "out"]
    done = infer(left, right, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["left"]["sha256"] is None


def test_a_map_makes_a_guess_and_the_verdict_says_why(tmp_path: Path) -> None:
    mapping = "  Group = Mapping\n    ProjectionName = Sinusoidal\n  End_Group"
    left = write_isis(tmp_path / "left.cub", picture("left.png"), more=mapping)
    right = write_isis(tmp_path / "right.cub", picture("right.png"))
    done = infer(left, right, "--refine", "off", "--json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    reasons = json.loads(done.stdout)["verdict_reasons"]
    assert any("the left image is map-projected (sinusoidal)" in reason for reason in reasons)


def test_folders_of_cubes_and_of_pds_images_are_paired(tmp_path: Path) -> None:
    for name in ("left_1", "right_1", "left_2", "right_2"):
        write_isis(tmp_path / f"{name}.cub", textured("u1"), detached=f"{name}.lbl")
        write_pds3(tmp_path / f"{name}0.IMG", textured("u1"), "UNSIGNED_INTEGER", detached=True)
    pairs = [(pair.left.name, pair.right.name) for pair in read_pairs(tmp_path)]
    assert pairs == [
        ("left_1.cub", "right_1.cub"),
        ("left_2.cub", "right_2.cub"),
        ("left_10.IMG", "right_10.IMG"),
        ("left_20.IMG", "right_20.IMG"),
    ]


@pytest.mark.parametrize("name", ["x.cub", "x.IMG", "x.xml"])
def test_without_the_extra_one_line_names_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("xml"):
        write_pds4(path, textured("u1"), "UnsignedByte")
    elif name.endswith("cub"):
        write_isis(path, textured("u1"))
    else:
        write_pds3(path, textured("u1"), "UNSIGNED_INTEGER")
    before = "import sys; sys.modules['lunar_ground'] = None; "
    done = infer(path, path, "--out", tmp_path / "out", before=before)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "images are not supported without lunar_ground; pip install" in done.stderr
    assert "pip install 'lunar-edge[ground]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_ordinary_pair_imports_nothing_of_the_ground() -> None:
    code = (
        "import sys; from lunar_runtime.files.images import read_image; "
        f"read_image({str(EXAMPLE / 'left.png')!r}); "
        "print([name for name in sys.modules if name.startswith('lunar_ground')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_broken_reader_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "lunar_fits-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lunar-fits\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nfits = lunar_fits:open_fits\n")
    (tmp_path / "lunar_fits.py").write_text("raise RuntimeError('no\\nway')\n")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  = T")
    with pytest.raises(
        InputError, match=r"reader of fits images of package lunar-fits cannot be loaded \(no way\)"
    ):
        read_image(path)
