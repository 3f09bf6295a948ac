"""The pairs of a folder or of a CSV file.

A folder holds either the subfolders `left/` and `right/`, whose images are paired in sorted order,
or images that alternate left, right, left, … as StereoLunar's im_0, im_1, im_2, … do. Numbers sort
as numbers: im_2 comes before im_10.

A CSV file has the columns left, right and, if wanted, rig and out; its paths are relative to the
file's own folder, `out` to the folder of all results.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pgm", ".ppm"})
COLUMNS = ("left", "right", "rig", "out")


class PairFiles(NamedTuple):
    """Two images, what is known of their cameras, and the name of the result's folder."""

    left: Path
    right: Path
    rig: Path | None
    out: Path


def read_pairs(path: Path | str) -> list[PairFiles]:
    """List the pairs of a folder or of a CSV file; their images are not looked at.

    Raises:
        InputError: No pairs, an odd number of images, a CSV file that is not as above, or two pairs
            whose results would have the same name.
    """
    source = Path(path)
    pairs = _folder(source) if source.is_dir() else _table(source)
    seen: dict[Path, PairFiles] = {}
    for pair in pairs:
        other = seen.setdefault(pair.out, pair)
        if other is not pair:
            raise InputError(
                f"{source}: the results of {other.left} and {pair.left} would both be named "
                f"{str(pair.out)!r}; list them in a CSV file with a column named out"
            )
    return pairs


def is_batch(path: Path | str) -> bool:
    """Whether a path names many pairs: a folder, or a .csv file."""
    return Path(path).suffix.lower() == ".csv" or os.path.isdir(path)  # noqa: PTH112  never raises


def list_images(folder: Path | str) -> list[Path]:
    """The image files at the top of a folder; numbers in their names sort as numbers.

    Raises:
        InputError: It is not a folder, or cannot be read.
    """
    try:
        return _images(Path(folder).iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check the path") from error


def _folder(folder: Path) -> list[PairFiles]:
    try:
        sides = [folder / "left", folder / "right"]
        if all(side.is_dir() for side in sides):
            lefts, rights = (_images(side.iterdir()) for side in sides)
            if len(lefts) != len(rights):
                raise InputError(
                    f"{folder}: {len(lefts)} images in left/, {len(rights)} in right/; each left "
                    "image needs its right one"
                )
        else:
            images = _images(folder.iterdir())
            if len(images) % 2:
                raise InputError(
                    f"{folder}: {len(images)} images, an odd number; they must alternate left, "
                    "right, or lie in left/ and right/"
                )
            lefts, rights = images[::2], images[1::2]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    if not lefts:
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(f"{folder}: no images ({kinds}) in it; check the path")
    return [PairFiles(a, b, None, Path(a.stem)) for a, b in zip(lefts, rights, strict=True)]


def _images(entries: Iterable[Path]) -> list[Path]:
    images = [e for e in entries if e.suffix.lower() in SUFFIXES and not e.name.startswith(".")]
    return sorted(images, key=lambda image: _by_number(image.name))


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]+)", name)]


def _table(path: Path) -> list[PairFiles]:
    try:
        # strict: a quote that never closes is an error, not the rest of the file in one cell.
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            _check_header(path, header)
            reader.fieldnames = header
            pairs = [_row(path, reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: not a readable CSV file ({reason})") from error
    if not pairs:
        raise InputError(f"{path}: no pairs in it; write one line left,right per pair")
    return pairs


def _check_header(path: Path, header: list[str]) -> None:
    if not {"left", "right"} <= set(header):
        raise InputError(
            f"{path}: no columns `left` and `right`; its first line must name the columns: "
            "left,right[,rig][,out]"
        )
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        raise InputError(
            f"{path}: columns {', '.join(header)}; only {', '.join(COLUMNS)}, each once"
        )


def _row(path: Path, line: int, row: dict[str | None, str | list[str] | None]) -> PairFiles:
    cells = {str(name): value.strip() for name, value in row.items() if isinstance(value, str)}
    if None in row or any("\0" in cell for cell in cells.values()):
        raise InputError(f"{path}: line {line} has too many columns or a stray character")
    if not (cells.get("left") and cells.get("right")):
        raise InputError(f"{path}: line {line} lacks the left or the right image")
    left, right = path.parent / cells["left"], path.parent / cells["right"]
    rig = path.parent / cells["rig"] if cells.get("rig") else None
    return PairFiles(left, right, rig, Path(cells.get("out") or left.stem))
