"""Calibration pairs of image files: by order, sequence or name; and film frames."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.images import read_image
from lunar_runtime.files.pair_lists import list_images, read_pairs

from lunar_calib.choices import Pairing
from lunar_calib.sets.calibration_manifest import SourceKind
from lunar_calib.sets.candidates import (
    CandidatePair,
    CandidateSource,
    altitude_of,
    notices_in,
    stated_licence,
)

_SIDE = re.compile(r"(?<![^\W_])(left|right|l|r)(?![^\W_])", re.IGNORECASE)


def images(path: Path, pairing: Pairing = "order", licence: str | None = None) -> CandidateSource:
    """Pairs of a folder, or of a CSV file with the columns left and right.

    Args:
        path: The folder or file.
        pairing: `order`: `left/` and `right/` in sorted order, or images that alternate left,
            right; `sequence`: every image with the next, as on a strip of film; `name`: names that
            differ in left and right, or l and r, only.
        licence: Of the images, in words.

    Raises:
        InputError: No pairs there.
        UsageError: A CSV file, which says itself what its pairs are, and a `pairing`.
    """
    if pairing != "order" and path.suffix.lower() == ".csv":
        raise UsageError(f"{path}: a CSV file names its pairs itself; leave out pairing")
    if pairing == "order":
        found = [(pair.left, pair.right) for pair in read_pairs(path)]
    elif pairing == "sequence":
        found = _sequence(path)
    else:
        found = _by_name(path)
    return _of_files("images", path, found, licence)


def apollo(path: Path, licence: str | None = None) -> CandidateSource:
    """Consecutive film frames, each with the next, and `cameras.json` with what poses are known.

    Args:
        path: Folder of the frames.
        licence: Of the images, in words.

    Raises:
        InputError: Fewer than two frames, or a `cameras.json` that cannot be read.
    """
    cameras_path = path / "cameras.json"
    altitudes, note = _apollo_altitudes(cameras_path) if cameras_path.is_file() else ({}, "")
    notices = {"NOTICE.txt": note.encode() + b"\n"} if note else {}
    return _of_files("apollo", path, _sequence(path), licence, altitudes, notices)


def _of_files(
    kind: SourceKind,
    path: Path,
    pairs: list[tuple[Path, Path]],
    licence: str | None,
    altitudes: Mapping[str, float] | None = None,
    notices: Mapping[str, bytes] | None = None,
) -> CandidateSource:
    root = path if path.is_dir() else path.parent
    known = altitudes or {}

    def candidates() -> Iterator[CandidatePair]:
        for left, right in pairs:
            heights = [known[p.name] for p in (left, right) if p.name in known]
            yield CandidatePair(
                scene=f"{_relative(left, root)} {_relative(right, root)}",
                left=partial(read_image, left),
                right=partial(read_image, right),
                altitude_m=round(sum(heights) / len(heights), 1) if heights else None,
            )

    found = {**notices_in(root), **(notices or {})}
    return CandidateSource(kind, len(pairs), candidates, stated_licence(licence, found), found)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _sequence(folder: Path) -> list[tuple[Path, Path]]:
    files = list_images(folder)
    if len(files) < 2:
        raise InputError(f"{folder}: {len(files)} images; a sequence has two or more")
    return list(pairwise(files))


def _by_name(folder: Path) -> list[tuple[Path, Path]]:
    if all((folder / side).is_dir() for side in ("left", "right")):
        marked = [
            (file.stem, side, file)
            for side in ("left", "right")
            for file in list_images(folder / side)
        ]
        problems: list[str] = []
    else:
        marked, problems = _marked(list_images(folder))
    sides: dict[str, dict[str, Path]] = {}
    for key, side, file in marked:
        other = sides.setdefault(key, {}).setdefault(side, file)
        if other is not file:
            problems.append(f"{file.name} is the {side} image of the same pair as {other.name}")
    for both in sides.values():
        if len(both) == 1:
            side, file = next(iter(both.items()))
            problems.append(f"{file.name} has no {'right' if side == 'left' else 'left'} image")
    if problems:
        raise InputError(
            f"{folder}: {', '.join(problems)}; names of a pair differ in left and right, or l and "
            "r, only"
        )
    if not sides:
        raise InputError(f"{folder}: no images in it; check the path")
    return [(both["left"], both["right"]) for both in sides.values()]


def _marked(files: list[Path]) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """(name without the side, side, file) of each, and a complaint about every other one."""
    marked, problems = [], []
    for file in files:
        marks = list(_SIDE.finditer(file.stem))
        if len(marks) != 1:
            problems.append(f"{file.name} says neither left nor right, or both")
            continue
        start, end = marks[0].span()
        side = "left" if marks[0][0].lower().startswith("l") else "right"
        marked.append((f"{file.stem[:start]}*{file.stem[end:]}", side, file))
    return marked, problems


def _apollo_altitudes(path: Path) -> tuple[dict[str, float], str]:
    try:
        values = json.loads(path.read_bytes())
        poses = {
            name: np.asarray(camera.get("cam2world_refined", camera.get("cam2world")), float)
            for name, camera in values["cameras"].items()
        }
        altitudes = {name: altitude_of(pose.reshape(4, 4)) for name, pose in poses.items()}
        note = str(values.get("note", ""))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}: not a camera file ({error}); it needs `cameras`, and a 4x4 "
            "`cam2world_refined` or `cam2world` for each image's name"
        ) from error
    if not all(map(math.isfinite, altitudes.values())):
        raise InputError(f"{path}: a pose is not finite; copy it again")
    return altitudes, note
