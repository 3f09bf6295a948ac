"""NPZ files of other hands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.npz import read_npz


def test_all_arrays_come_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", depth=np.ones((2, 3)), scale=np.array(2.0))
    found = read_npz(tmp_path / "a.npz", missing="make one", damaged="copy it again")
    assert set(found) == {"depth", "scale"}
    assert found["depth"].shape == (2, 3)


@pytest.mark.parametrize("kind", ["text", "cut", "objects", "one array"])
def test_what_is_none_is_one_line_without_bad_advice(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.array([{}], object) if kind == "objects" else np.arange(5000))
    if kind == "one array":
        with path.open("wb") as stream:
            np.save(stream, np.arange(3))
    if kind == "text":
        path.write_text("not an archive")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError) as caught:
        read_npz(path, missing="make one", damaged="copy it again")
    said = str(caught.value)
    assert said.startswith(f"{path}: damaged NPZ (")
    assert said.endswith("; copy it again")
    assert "allow_pickle" not in said


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.npz: no such file; make one$"):
        read_npz(tmp_path / "a.npz", missing="make one", damaged="copy it again")
