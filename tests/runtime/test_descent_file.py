from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import (
    Descent,
    DescentCamera,
    DescentFrame,
    PoseErrors,
    read_descent,
    write_descent,
)

AT = ((1.0, 0, 0, 5.0), (0, 1.0, 0, 6.0), (0, 0, 1.0, 7.0), (0, 0, 0, 1.0))
DESCENT = Descent(
    version=1,
    camera=DescentCamera(64, 48, (60.0, 60.0, 32.0, 24.0)),
    frames=[DescentFrame("a.png", 0.5, AT, altitude_m=7.0), DescentFrame("sub/b.png", 1.0)],
    up=(0.0, 0.0, 1.0),
    pose_errors=PoseErrors(0.1, 0.02),
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = write_descent(DESCENT, tmp_path)
    assert read_descent(tmp_path) == DESCENT
    assert len(path.read_text().splitlines()) == 4  # one frame a line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frames": []}, "no frames in it"),
        ({"version": 2}, "Invalid enum value 2"),
        ({"colour": 1}, "unknown field `colour`"),
        ({"frames": [{"file": "../a.png", "time_s": 0}]}, "'../a.png' is outside the descent"),
        ({"frames": [{"file": "/a.png", "time_s": 0}]}, "'/a.png' is outside the descent"),
        (
            {"frames": [{"file": "a.png", "time_s": 0, "world_from_camera": [[1, 0, 0, 0]]}]},
            "$.frames[0].world_from_camera",
        ),
    ],
)
def test_what_is_no_descent_is_refused(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    values = {**msgspec.to_builtins(DESCENT), **change}
    (tmp_path / "descent.json").write_bytes(msgspec.json.encode(values))
    with pytest.raises(InputError, match="not a descent: ") as refused:
        read_descent(tmp_path)
    assert words in str(refused.value)


def test_a_folder_without_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"descent\.json: no such file"):
        read_descent(tmp_path)
