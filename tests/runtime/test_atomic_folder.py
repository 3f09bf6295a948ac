"""A folder is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.exchange import exchange


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_has_the_name_before_the_end(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "out").exists()
    assert entries(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a").read_text() == "1"


def test_a_failure_leaves_nothing_not_even_new_parents(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        atomic_folder(tmp_path / "new" / "newer" / "out") as folder,
    ):
        (folder / "a").write_text("1")
        raise ZeroDivisionError
    assert entries(tmp_path) == []


def test_a_failure_spares_parents_that_others_use_by_now(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "new" / "out"):
        (tmp_path / "new" / "other").write_text("mine")
        raise ZeroDivisionError
    assert entries(tmp_path / "new") == ["other"]


def test_a_failed_overwrite_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    with (
        pytest.raises(ZeroDivisionError),
        atomic_folder(tmp_path / "out", overwrite=True, owned={"a"}) as folder,
    ):
        (folder / "a").write_text("new")
        raise ZeroDivisionError
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert entries(tmp_path) == ["out"]


def test_overwrite_leaves_only_the_new_files(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    with atomic_folder(tmp_path / "out", overwrite=True, owned={"a", "b"}) as folder:
        (folder / "b").write_text("new")
    assert entries(tmp_path / "out") == ["b"]
    assert entries(tmp_path) == ["out"]


OVERWRITE = """
import sys
from pathlib import Path
from lunar_runtime.errors import OutputError
from lunar_runtime.files.atomic_folder import atomic_folder
try:
    with atomic_folder(sys.argv[1], overwrite=True, owned={"a"}) as folder:
        (folder / "a").write_text("new")
except OutputError as error:
    print(error, [path.name for path in Path(sys.argv[1]).parent.iterdir()])
"""


def test_a_folder_that_cannot_be_moved_stays_and_nothing_is_left(tmp_path: Path) -> None:
    """A mount point cannot be renamed; this one is mounted for one process alone."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("old")
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare is not here to mount anything")
    arguments = [str(out), sys.executable, OVERWRITE]
    mount = 'mount --bind "$1" "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"this user may not mount anything: {done.stderr.strip()}")
    assert "busy" in done.stdout
    assert done.stdout.endswith(" ['out']\n")
    assert entries(tmp_path) == ["out"]
    assert (out / "a").read_text() == "old"


def test_a_link_to_the_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link", overwrite=True) as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "link").is_symlink()
    assert entries(tmp_path / "real") == ["a"]


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"), atomic_folder(tmp_path / "out"):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "theirs").write_text("1")
    assert entries(tmp_path / "out") == ["theirs"]


def test_of_two_writers_at_once_one_wins_whole(tmp_path: Path) -> None:
    barrier = threading.Barrier(2)
    outcomes: list[str | None] = []

    def write(name: str) -> None:
        try:
            with atomic_folder(tmp_path / "out") as folder:
                barrier.wait()
                for part in "ab":
                    (folder / part).write_text(name)
            outcomes.append(name)
        except OutputError:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [name for name in outcomes if name]
    assert len(winners) == 1
    assert {(tmp_path / "out" / part).read_text() for part in "ab"} == set(winners)
    assert entries(tmp_path) == ["out"]


def test_permissions_are_those_of_any_new_folder(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "out"):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_checking_writes_nothing(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b", overwrite=False, owned=())
    assert entries(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from lunar_runtime.files import atomic_folder as module
from lunar_runtime.files.atomic_folder import atomic_folder
module.exchange = lambda one, other: False  # a system that cannot
watched = Path(sys.argv[1])
def watch(event, arguments):
    if event == "os.rename" and sys.argv[2] in str(arguments[0]) + str(arguments[1]):
        if sys.argv[3] == "after":
            sys.argv[3] = "now"  # the next thing that happens
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    elif sys.argv[3] == "now":
        sys.argv[3] = "done"  # killing is an event, too
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
with atomic_folder(watched, overwrite=True, owned={"a"}) as folder:
    (folder / "a").write_text("new")
"""


def killed(out: Path, *when: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(out), *when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -9


def test_what_a_killed_writer_left_the_next_one_removes(tmp_path: Path) -> None:
    killed(tmp_path / "one", ".lunar-new-", "before")
    (left,) = entries(tmp_path)
    assert left.startswith(".lunar-new-")
    with atomic_folder(tmp_path / "two"):
        pass
    assert entries(tmp_path) == ["two"]


def test_a_folder_that_a_killed_writer_had_moved_away_comes_back(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    killed(tmp_path / "out", ".lunar-new-", "before")  # the old one is aside, the new not in place
    assert {name[:11] for name in entries(tmp_path)} == {".lunar-asid", ".lunar-new-"}
    with atomic_folder(tmp_path / "two"):
        pass
    assert entries(tmp_path) == ["out", "two"]
    assert (tmp_path / "out" / "a").read_text() == "old"


def test_an_old_folder_whose_place_is_taken_is_removed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    killed(tmp_path / "out", ".lunar-new-", "after")
    assert (tmp_path / "out" / "a").read_text() == "new"
    with atomic_folder(tmp_path / "two"):
        pass
    assert entries(tmp_path) == ["out", "two"]
    assert (tmp_path / "out" / "a").read_text() == "new"


def test_a_writer_at_work_is_left_alone(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "slow") as folder:
        (folder / "a").write_text("1")
        with atomic_folder(tmp_path / "quick"):
            pass
        (folder / "b").write_text("2")
    assert entries(tmp_path) == ["quick", "slow"]
    assert entries(tmp_path / "slow") == ["a", "b"]


def test_many_writers_beside_each_other_do_not_take_each_other_for_leftovers(
    tmp_path: Path,
) -> None:
    def write(number: int) -> None:
        with atomic_folder(tmp_path / "out" / str(number)) as folder:
            (folder / "a").write_text("1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(800)))
    assert len(entries(tmp_path / "out")) == 800


def test_links_and_files_of_such_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / ".lunar-new-link").symlink_to("precious")
    (tmp_path / ".lunar-new-file").write_text("mine")
    with atomic_folder(tmp_path / "out"):
        pass
    assert entries(tmp_path) == [".lunar-new-file", ".lunar-new-link", "out", "precious"]


def test_a_folder_that_is_replaced_is_there_at_every_moment(tmp_path: Path) -> None:
    out, probe = tmp_path / "out", tmp_path / "probe"
    for each in (out, probe):
        each.mkdir()
    if not exchange(out, probe):
        pytest.skip("this system cannot exchange two names")
    absent, ended = [], threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if not out.exists():
                absent.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(200):
        with atomic_folder(out, overwrite=True, owned={"a"}) as folder:
            (folder / "a").write_text("new")
    ended.set()
    watcher.join()
    assert not absent
    assert entries(tmp_path) == ["out", "probe"]


def test_what_was_left_is_said_before_the_work_begins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a").write_text("old")
    killed(tmp_path / "one", ".lunar-new-", "before")
    with pytest.raises(OutputError, match="exists already"):  # it came back
        check_folder(tmp_path / "one", overwrite=False, owned={"a"})
    said = "\n".join(caplog.messages)
    assert f"{tmp_path / 'one'}: put back; a writer that was to replace it was killed" in said
    assert said.count(": removed; a writer that was killed had left it") == 2
    assert entries(tmp_path) == ["one"]
