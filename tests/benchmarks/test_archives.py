"""`lunar-bench archive` on a short list."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from lunar_bench.archives.measure import _is_whole
from lunar_bench.archives.record import ArchiveResult
from lunar_bench.archives.workers import workers_of
from lunar_bench.report import headlines

from .command_line import run

pytest.importorskip("distributed", reason="needs distributed, of the extra `cluster`")


def test_a_list_is_inferred_by_one_worker_and_by_two_one_of_which_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = tmp_path / "archive.json"
    asked = ("--pairs", 16, "--distinct", 2, "--size", 64, "--rounds", 1, "--kills", 1)
    code, told, _ = run(capsys, "archive", *asked, "--work", tmp_path, "--save", save)
    result = msgspec.json.decode(save.read_bytes(), type=ArchiveResult)
    assert code == 0, result
    assert [r.workers for r in result.rounds] == [1, 2]
    assert all((r.exit, r.whole, r.failed, r.killed) == (0, 16, 0, 1) for r in result.rounds)
    assert len(result.speedup) == 1
    assert "16 pairs of 64 px, 2 of them distinct" in told
    assert "2 workers killed, 0 pairs lost" in headlines.archive(msgspec.to_builtins(result))
    assert list(tmp_path.iterdir()) == [save]


def test_a_folder_without_its_files_is_no_whole_result(tmp_path: Path) -> None:
    assert not _is_whole(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    assert not _is_whole(tmp_path)


_SPAWNS = """
import multiprocessing as m, time
if __name__ == "__main__":
    m.get_context("spawn").Process(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)
"""


def test_workers_are_the_processes_that_a_command_spawned(tmp_path: Path) -> None:
    script = tmp_path / "spawns.py"
    script.write_text(_SPAWNS)
    process = subprocess.Popen([sys.executable, str(script)])
    try:
        end = time.monotonic() + 30
        while not (found := workers_of(process.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        assert len(found) == 1
        assert process.pid not in found
    finally:
        process.terminate()
        process.wait()
