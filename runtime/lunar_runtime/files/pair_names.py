"""Which images are pairs, told from their names; names that do not say it are refused.

A folder of both cameras' images. Either every name tells its side, by `left` or `right`, or by `l`
or `r` standing alone (left_000.png, 000-R.tif): then those that differ in the side alone are a
pair. Or no name does: then the names must be the same but for one number (im_0, im_1, …), and each
pair has two numbers in a row, the left one first. All left numbers are even or all are odd,
because a sequence of which single images are missing would otherwise go on with left and right
exchanged.

Two folders, left/ and right/. Either both hold the same names, the side's word aside: then equal
names are a pair. Or no name is in both: then the names of each folder are the same but for one
number, and the numbers of all pairs, in sorted order, differ by the same amount.

In all of it, numbers sort as numbers, and every image must find its partner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError

# left, right: not inside a word (bright, cleft), but leftImg is meant. l, r: alone.
_SIDE = re.compile(
    r"(?<![A-Za-z])"
    r"(?:(left|Left|LEFT|[lL](?![A-Za-z]))|(right|Right|RIGHT|[rR](?![A-Za-z])))"
    r"(?![a-z])"
)
_NUMBER = re.compile(r"[0-9]+")
_LIST = "list the pairs in a CSV file with the columns left,right"

_Pairs = list[tuple[Path, Path]]


class _Named(NamedTuple):
    """A name without its side.

    Attributes:
        path: Of the image.
        side: `left`, `right` or None.
        rest: The stem, the side's word replaced by a placeholder.
    """

    path: Path
    side: str | None
    rest: str


def sort_images(images: Sequence[Path]) -> list[Path]:
    """By name, numbers as numbers."""
    return sorted(images, key=lambda image: _by_number(image.name))


def pair_one_folder(folder: Path, images: Sequence[Path]) -> _Pairs:
    """The pairs of a folder that holds the images of both cameras.

    Raises:
        InputError: The names do not say which images are a pair.
    """
    named = [_name(folder, image) for image in sort_images(images)]
    sided = [one for one in named if one.side]
    if not sided:
        return _alternating(folder, [one.path for one in named])
    if len(sided) < len(named):
        other = next(one for one in named if not one.side)
        raise InputError(
            f"{folder}: {sided[0].path.name} names its side, {other.path.name} does not; {_LIST}"
        )
    lefts = [one for one in named if one.side == "left"]
    rights = [one for one in named if one.side == "right"]
    return _equal_names(folder, lefts, rights)


def pair_two_folders(folder: Path, lefts: Sequence[Path], rights: Sequence[Path]) -> _Pairs:
    """The pairs of `left/` and `right/` in a folder.

    Raises:
        InputError: The numbers of images differ, or the names do not say which are a pair.
    """
    if len(lefts) != len(rights):
        raise InputError(
            f"{folder}: {len(lefts)} images in left/, {len(rights)} in right/; each left "
            "image needs its right one"
        )
    left = [_name(folder, image) for image in sort_images(lefts)]
    right = [_name(folder, image) for image in sort_images(rights)]
    if {one.rest for one in left} & {one.rest for one in right}:
        return _equal_names(folder, left, right)
    gaps = {
        b - a
        for a, b in zip(
            _numbers(folder, [one.path for one in left]),
            _numbers(folder, [one.path for one in right]),
            strict=True,
        )
    }
    if len(gaps) > 1:
        raise InputError(
            f"{folder}: the numbers in left/ and right/ do not run side by side; an image seems to "
            f"be missing; {_LIST}"
        )
    return [(a.path, b.path) for a, b in zip(left, right, strict=True)]


def _equal_names(folder: Path, lefts: Sequence[_Named], rights: Sequence[_Named]) -> _Pairs:
    by_rest: dict[str, Path] = {}
    for one in rights:
        if one.rest in by_rest:
            raise InputError(
                f"{folder}: {by_rest[one.rest].name} and {one.path.name} are both a right image of "
                f"one name; {_LIST}"
            )
        by_rest[one.rest] = one.path
    pairs = []
    for one in lefts:
        if one.rest not in by_rest:
            raise InputError(f"{folder}: no right image for {one.path.name}; {_LIST}")
        pairs.append((one.path, by_rest.pop(one.rest)))
    if by_rest:
        alone = next(iter(by_rest.values()))
        raise InputError(f"{folder}: no left image for {alone.name}; {_LIST}")
    return pairs


def _alternating(folder: Path, images: Sequence[Path]) -> _Pairs:
    if len(images) % 2:
        raise InputError(
            f"{folder}: {len(images)} images, an odd number; they must alternate left, "
            "right, or lie in left/ and right/"
        )
    numbers = _numbers(folder, images)
    pairs = []
    for i in range(0, len(images), 2):
        left, right = images[i : i + 2]
        if numbers[i + 1] != numbers[i] + 1:
            raise InputError(
                f"{folder}: {left.name} and {right.name} would be a pair, but their numbers are "
                f"not two in a row; {_LIST}"
            )
        if (numbers[i] - numbers[0]) % 2:
            raise InputError(
                f"{folder}: {images[0].name} and {left.name} would both be left images, the one "
                f"even and the other odd; an image seems to be missing between them; {_LIST}"
            )
        pairs.append((left, right))
    return pairs


def _numbers(folder: Path, images: Sequence[Path]) -> list[int]:
    """The one number in which names differ; 0 for a single name.

    Raises:
        InputError: They differ in something else, or in more than one number.
    """
    first = images[0]
    if len(images) == 1:
        return [0]
    places: set[int] = set()
    found = []
    for image in images:
        texts = _NUMBER.split(image.stem)
        numbers = [int(text) for text in _NUMBER.findall(image.stem)]
        if texts != _NUMBER.split(first.stem):
            raise InputError(
                f"{folder}: {first.name} and {image.name} are not of one numbered sequence, so "
                f"their names do not say which images are a pair; {_LIST}"
            )
        found.append(numbers)
        places |= {i for i, number in enumerate(numbers) if number != found[0][i]}
    if len(places) != 1:
        raise InputError(
            f"{folder}: the names of {first.name} and the others differ in {len(places)} numbers, "
            f"not in one; {_LIST}"
        )
    place = places.pop()
    return [numbers[place] for numbers in found]


def _name(folder: Path, image: Path) -> _Named:
    sides = list(_SIDE.finditer(image.stem))
    if len(sides) > 1:
        raise InputError(f"{folder}: {image.name} names a side twice; {_LIST}")
    if not sides:
        return _Named(image, None, image.stem)
    found = sides[0]
    rest = f"{image.stem[: found.start()]}\0{image.stem[found.end() :]}"
    return _Named(image, "left" if found[1] else "right", rest)


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"([0-9]+)", name)]
