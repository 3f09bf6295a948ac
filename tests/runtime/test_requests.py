"""A request's digest: what decides a result changes it, and nothing else does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.commands.requests import request_digest
from lunar_runtime.errors import InputError
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import InferOptions


def asked(pair: PairFiles, *, rig: Rig | None = None, smoothing_px: float = 2.0) -> str:
    return request_digest(
        pair, "bundle", {"options": InferOptions(smoothing_px=smoothing_px), "rig": rig}
    )


def test_only_what_decides_the_result_counts(pair: tuple[Path, Path], tmp_path: Path) -> None:
    files = PairFiles(*pair, None, Path("out"))
    digest = asked(files)
    moved = tmp_path / "elsewhere.png"
    shutil.copy(pair[0], moved)
    assert asked(files._replace(left=moved, out=Path("other"))) == digest
    pose = np.eye(4)
    pose[0, 3] = 1
    others = [
        asked(PairFiles(pair[1], pair[0], None, Path("out"))),
        asked(files._replace(masks=(moved, None))),
        asked(files, rig=Rig(right_from_left=pose)),
        asked(files, smoothing_px=3),
        request_digest(files, "another bundle", {"options": InferOptions(), "rig": None}),
    ]
    assert len({digest, *others}) == 6
    moved.write_bytes(pair[1].read_bytes())
    assert asked(files._replace(left=moved)) != digest


def test_a_scan_is_not_read_for_its_digest(pair: tuple[Path, Path], tmp_path: Path) -> None:
    scan = tmp_path / "scan.raw"
    scan.touch()
    os.truncate(scan, 1 << 40)  # with a hole: to read it would take minutes
    files = PairFiles(scan, pair[1], None, Path("out"))
    digest = asked(files)
    os.utime(scan, (1, 1))
    assert asked(files) != digest


def test_a_missing_image_is_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png: no such file; check the path"):
        asked(PairFiles(tmp_path / "none.png", pair[1], None, Path("out")))
