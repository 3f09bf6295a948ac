"""Folders for what is needed on the way: gone at the end, also after a writer that was killed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.work_folder import work_folder

KILLED = """
import os, signal
from lunar_runtime.files.work_folder import work_folder
with work_folder("lunar-export") as folder:
    (folder / "model.onnx").write_text("30 MB")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_the_users_own_and_is_gone_at_the_end(place: Path) -> None:
    with work_folder("lunar-export") as folder:
        assert folder.parent == place
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "inner").mkdir()
        with work_folder("lunar-export") as other:  # one at work is left alone
            assert other != folder
        assert (folder / "inner").exists()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_and_is_told(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(place)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
    assert done.returncode == -9
    (left,) = place.iterdir()
    with work_folder("lunar-calib"):  # of another tool: not its own
        pass
    assert left.exists()
    with work_folder("lunar-export"):
        pass
    assert list(place.iterdir()) == []
    assert caplog.messages == [f"{left}: removed; a writer that was killed had left it"]


def test_a_full_disk_is_one_line_and_other_errors_pass(place: Path) -> None:
    with pytest.raises(OutputError) as caught, work_folder("lunar-export", "room for two"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value) == (
        f"{place}: cannot write (no space left on device); free some space there, or set TMPDIR "
        "to a folder with room for two"
    )
    with pytest.raises(InputError, match="black"), work_folder("lunar-export"):
        raise InputError("black")
    assert list(place.iterdir()) == []
