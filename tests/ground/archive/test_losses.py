"""lunar-infer over Dask: workers, schedulers and connections that are lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from lunar_runtime.commands.pairs import Done, Outcome
from lunar_runtime.errors import BackendError, UsageError
from lunar_runtime.files.atomic import make_folder
from lunar_runtime.files.pair_lists import PairFiles
from runtime.images import encode, texture
from runtime.outcomes import names

pytest.importorskip("distributed", reason="needs distributed, of the extra `cluster`")

import cloudpickle  # distributed brings it
from ground.archive.orders import ended, free_port, order_of
from lunar_ground.archive.session import Answer, Work, work_on
from lunar_ground.archive.spread import spread


@contextmanager
def service(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Dask scheduler or worker of its own, ended with everything that it started."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def many(tmp_path: Path, count: int) -> list[PairFiles]:
    images = []
    for i in range(2):
        images.append(tmp_path / f"im_{i}.png")
        images[-1].write_bytes(encode(texture(i), ".png"))
    return [PairFiles(images[0], images[1], None, Path(str(i))) for i in range(count)]


def test_a_killed_worker_costs_its_pair_time_and_nothing_else(bundle: Path, tmp_path: Path) -> None:
    pairs = many(tmp_path, 40)
    outcomes, killed = [], 0
    for outcome in spread("local:2", order_of(bundle, tmp_path / "out"), pairs):
        outcomes.append(outcome)
        if len(outcomes) in (5, 20):  # in the midst of their pairs
            os.kill(some_worker(), signal.SIGKILL)
            killed += 1
    assert killed == 2
    assert ended(outcomes) == ({str(i) for i in range(40)}, set())
    assert names(tmp_path / "out") == {str(i) for i in range(40)}


def ends_its_worker(work: Work, pair: PairFiles) -> Answer:
    """In place of `work_on`: pair 3 is one of those that need more memory than there is."""
    if pair.out.name == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    return work_on(work, pair)


def test_a_pair_that_ends_every_worker_is_given_up_and_its_neighbours_are_not(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    monkeypatch.setattr("lunar_ground.archive.rounds.work_on", ends_its_worker)
    outcomes = list(spread("local:2", order_of(bundle, tmp_path / "out"), many(tmp_path, 12)))
    assert ended(outcomes) == ({str(i) for i in range(12)} - {"3"}, {"3"})
    (error,) = (str(outcome) for _, outcome in outcomes if not isinstance(outcome, Done))
    assert error == "ended every worker that tried it; is there enough memory?"


def some_worker() -> int:
    """The youngest process that Dask's nannies have started here."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == str(os.getpid()) and b"spawn_main" in command:
            found.append(int(folder.name))
    return max(found)


def test_a_connection_keeps_dasks_tracebacks_to_itself() -> None:
    code = f"""
import logging
from lunar_ground.archive.cluster import Cluster
try:
    Cluster("tcp://127.0.0.1:{free_port()}", patience_s=0)
except Exception:
    logging.getLogger("distributed.client").error("a traceback")
    print("tried")
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("tried\n", "")


def test_a_scheduler_that_comes_back_goes_on(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    log = tmp_path / "log"
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    pairs = many(tmp_path, 30)
    outcomes: list[Outcome] = []

    def run() -> None:
        order = order_of(bundle, tmp_path / "out")
        outcomes.extend(spread(address, order, pairs, patience_s=120))

    work = threading.Thread(target=run)
    with service(*scheduler, log=log) as first, service(*worker, log=log):
        wait_for_port(port)
        work.start()
        wait_until(lambda: len(list((tmp_path / "out").glob("[0-9]*"))) >= 5)
        end(first)
    before = len(list((tmp_path / "out").glob("[0-9]*")))
    said = f"the scheduler {address} is gone; waiting for it for 120 s"
    wait_until(lambda: said in caplog.text)  # else Dask's own client may find the new one first
    with service(*scheduler, log=log), service(*worker, log=log):
        work.join(120)
    assert not work.is_alive(), log.read_text()
    assert 5 <= before < 30
    assert ended(outcomes) == ({str(i) for i in range(30)}, set())


def wait_until(true: Callable[[], bool]) -> None:
    end_at = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end_at
        time.sleep(0.02)


def wait_for_port(port: int) -> None:
    def answers() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers)


def test_without_workers_the_work_ends_in_words(bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    make_folder(tmp_path / "out")
    with service(*scheduler, log=tmp_path / "log"):
        wait_for_port(port)
        order = order_of(bundle, tmp_path / "out")
        with pytest.raises(BackendError, match="no workers; start some with `dask worker"):
            list(spread(f"tcp://127.0.0.1:{port}", order, many(tmp_path, 1), patience_s=2))
    with pytest.raises(UsageError, match="write local:N"):
        list(spread("local:x", order_of(bundle, tmp_path / "o"), many(tmp_path, 1)))


def test_a_process_makes_one_cluster_after_the_other() -> None:
    """In a fresh one: Dask's defaults come when `distributed` is first imported."""
    code = (
        "from lunar_ground.archive.cluster import Cluster\n"
        "if __name__ == '__main__':\n"
        "    for _ in range(2):\n"
        "        with Cluster('local:1') as cluster:\n"
        "            print(cluster.threads())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("1\n1\n", "")
