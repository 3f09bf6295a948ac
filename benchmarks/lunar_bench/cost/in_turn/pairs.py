"""The images of a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
from lunar_runtime import Bundle
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import read_image
from lunar_runtime.files.pair_lists import PairFiles, read_pairs
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.inference.pair import check_pair


class RiggedPair(NamedTuple):
    """A pair of files, and what is known of their cameras."""

    name: str
    left: Path
    right: Path
    rig: Rig | None
    rig_path: Path | None

    @classmethod
    def of(cls, pair: PairFiles) -> RiggedPair:
        """Read the rig; the images are read anew in every run."""
        rig = None if pair.rig is None else read_rig(pair.rig)
        return cls(f"{pair.left.name}, {pair.right.name}", pair.left, pair.right, rig, pair.rig)


class UsablePairs(NamedTuple):
    """Pairs, looked at once.

    Attributes:
        description: What they are, without a path.
        pairs: Those that can be used.
        unreadable: Pair -> why it cannot.
    """

    description: str
    pairs: list[RiggedPair]
    unreadable: dict[str, str]


def open_pairs(path: Path) -> UsablePairs:
    """The pairs of a folder or CSV file, as `lunar-infer` takes them.

    Raises:
        InputError: None of them can be used.
    """
    return _look_at(f"{path.name or path}", read_pairs(path))


def golden_pair(bundle: Bundle, folder: Path) -> UsablePairs:
    """A bundle's own pair, as PNG files.

    Args:
        bundle: Whose.
        folder: For the files.
    """
    golden = bundle.golden()
    files = folder / "golden_left.png", folder / "golden_right.png"
    for file, image in zip(files, (golden.left, golden.right), strict=True):
        cv2.imwrite(str(file), image)
    description = f"the golden pair of {printable(bundle.path.resolve().name)}"
    return _look_at(description, [PairFiles(*files, None, Path("golden"))])


def _look_at(description: str, pairs: list[PairFiles]) -> UsablePairs:
    good: list[RiggedPair] = []
    bad: dict[str, str] = {}
    for pair in pairs:
        try:
            check_pair(read_image(pair.left), read_image(pair.right))
            good.append(RiggedPair.of(pair))
        except InputError as error:
            # The path of the machine stays out of the result.
            reason = str(error).replace(f"{pair.left.parent}/", "")
            bad[f"{pair.left.name}, {pair.right.name}"] = reason
    if not good:
        first = next(iter(bad.values()))
        raise InputError(f"{description}: none of {len(pairs)} pairs can be used ({first})")
    return UsablePairs(description, good, bad)
