from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from lunar_runtime.errors import BundleError, OutputError
from lunar_runtime.files.atomic import atomic_path


def test_the_file_appears_with_its_content_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "depth.tif"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".tif"
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["depth.tif"]  # noqa: PTH208 (hidden files too)


def test_the_old_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with atomic_path(str(target)) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), BundleError("x: y")])
def test_any_failure_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, error: BaseException
) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(type(error)), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert target.read_text() == "old"


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught, atomic_path(tmp_path / "a.tif"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(caught.value) == (
        f"{tmp_path / 'a.tif'}: cannot write (no space left on device); choose another place"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_device_that_is_really_full_is_an_output_error(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no space left on device"),
        atomic_path(tmp_path / "a.tif"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "a.tif"
    with pytest.raises(OutputError) as caught, atomic_path(target):
        pass
    assert str(caught.value) == (
        f"{target}: cannot write (no such file or directory); choose another place"
    )


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot write"), atomic_path(target) as temporary:
        temporary.write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user (root?) writes to read-only folders")
    try:
        with pytest.raises(OutputError, match="permission denied"), atomic_path(tmp_path / "a.tif"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "atomic") as temporary:
        temporary.write_text("x")
    plain, atomic = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic"))
    assert atomic == plain


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"


KILLED = """
import os, signal, sys
from lunar_runtime.files.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_the_next_one_of_the_file_removes_and_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "result [1].json"
    target.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(target)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -9
    assert target.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_path(tmp_path / "result.json"):  # another file's leftovers are not its own
        pass
    assert len(list(tmp_path.iterdir())) == 3
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    assert {path.name for path in tmp_path.iterdir()} == {"result [1].json", "result.json"}
    assert target.read_text() == "new"
    (said,) = caplog.messages
    assert said.endswith(": removed; a writer that was killed had left it")


def test_a_writer_of_the_same_file_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with atomic_path(target) as slow:
        with atomic_path(target) as quick:
            quick.write_text("quick")
        slow.write_text("slow")
    assert target.read_text() == "slow"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
