"""The pairs of a folder or of a CSV file.

A folder holds either the subfolders `left/` and `right/`, or the images of both cameras. Which of
them are pairs, their names must say: left_000 and right_000, or numbers that alternate left, right,
left, … as StereoLunar's im_0, im_1, im_2, … do. `pair_names` has the rules. What they do not say is
refused, never guessed.

A CSV file has the columns left, right and, if wanted, rig, left_mask, right_mask and out; its paths
are relative to the file's own folder. `out` names a folder inside that of all results. A column
`error` is passed over: lists of pairs that failed have it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError
from lunar_runtime.files.pair_names import pair_one_folder, pair_two_folders, sort_images
from lunar_runtime.files.regular_file import read_regular, text_bytes

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pgm", ".ppm", ".cub", ".img"})
COLUMNS = ("left", "right", "rig", "left_mask", "right_mask", "out", "error")
MAX_TABLE_BYTES = 16 << 20


class PairFiles(NamedTuple):
    """Two images, what is known of their cameras, the result's folder, and the images' masks."""

    left: Path
    right: Path
    rig: Path | None
    out: Path
    masks: tuple[Path | None, Path | None] = (None, None)


def read_pairs(path: Path | str) -> list[PairFiles]:
    """List the pairs of a folder or of a CSV file; their images are not looked at.

    Raises:
        InputError: No pairs, names that do not say which images are a pair, a CSV file that is not
            as above, or two pairs whose results would have the same name or lie in one another.
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
    for pair in pairs:
        outer = next((seen[above] for above in pair.out.parents if above in seen), None)
        if outer is not None:
            raise InputError(
                f"{source}: the results of {pair.left} would lie in those of {outer.left}, "
                f"{str(outer.out)!r}; give them another out"
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
        two = all(side.is_dir() for side in sides)
        images = [_images(side.iterdir()) for side in (sides if two else [folder])]
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    if not any(images):
        kinds = ", ".join(sorted(SUFFIXES))
        raise InputError(f"{folder}: no images ({kinds}) in it; check the path")
    pairs = pair_two_folders(folder, *images) if two else pair_one_folder(folder, *images)
    return [PairFiles(left, right, None, Path(left.stem)) for left, right in pairs]


def _images(entries: Iterable[Path]) -> list[Path]:
    images = [e for e in entries if e.suffix.lower() in SUFFIXES and not e.name.startswith(".")]
    return sort_images(images)


def _table(path: Path) -> list[PairFiles]:
    content = read_regular(path, MAX_TABLE_BYTES, "a CSV file", "split it")
    try:
        text = text_bytes(content, path).decode("utf-8")
        # strict: a quote that never closes is an error, not the rest of the file in one cell.
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        _check_header(path, header)
        reader.fieldnames = header
        pairs = [_row(path, reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable CSV file ({error})") from error
    if not pairs:
        raise InputError(f"{path}: no pairs in it; write one line left,right per pair")
    return pairs


def _check_header(path: Path, header: list[str]) -> None:
    if not {"left", "right"} <= set(header):
        raise InputError(
            f"{path}: no columns `left` and `right`; its first line must name the columns: "
            "left,right[,rig][,left_mask][,right_mask][,out]"
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
    rig, *masks = (
        path.parent / cells[name] if cells.get(name) else None
        for name in ("rig", "left_mask", "right_mask")
    )
    out = _out(path, line, cells.get("out") or left.stem)
    return PairFiles(left, right, rig, out, (masks[0], masks[1]))


def _out(path: Path, line: int, name: str) -> Path:
    """A folder of results, inside the folder of all of them."""
    out = Path(os.path.normpath(name))
    if out.is_absolute() or out == Path() or out.parts[0] == os.pardir:
        raise InputError(
            f"{path}: line {line}: out {name!r} leaves the folder of all results; name a folder "
            "inside it"
        )
    return out
