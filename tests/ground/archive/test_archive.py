"""lunar-infer over Dask: the same results, whatever is lost on the way."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from lunar_runtime.commands.infer import main
from lunar_runtime.commands.orders import NetworkWanted, Order
from lunar_runtime.commands.pairs import Done, Job, Outcome
from lunar_runtime.errors import BackendError, BundleError, UsageError
from lunar_runtime.files.atomic import make_folder
from lunar_runtime.files.pair_lists import PairFiles, read_pairs
from lunar_runtime.inference.options import InferOptions
from runtime.images import encode, texture
from runtime.outcomes import Outcome as Ended
from runtime.outcomes import names, run_main
from runtime.plane_bundle import write_plane_bundle

pytest.importorskip("distributed", reason="needs distributed, of the extra `cluster`")

import cloudpickle  # distributed brings it
from lunar_ground.archive.session import Answer, Work, work_on
from lunar_ground.archive.spread import spread

PAIRS = 6


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plane_bundle(tmp_path_factory.mktemp("bundles") / "left", "left")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six pairs; the fourth's right image is missing."""
    lines = ["left,right,out"]
    for i in range(PAIRS):
        for side in (0, 1):
            (tmp_path / f"{i}_{side}.png").write_bytes(encode(texture(2 * i + side), ".png"))
        lines.append(f"{i}_0.png,{i}_1.png,pairs/{i}")
    (tmp_path / "3_1.png").unlink()
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def infer(bundle: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        return run_main(main, (*arguments, "--bundle", bundle, "--refine", "off"), capfd)

    return run


def order_of(bundle: Path, folder: Path, digest: str | None = None) -> Order:
    from lunar_runtime.bundles.bundle import Bundle

    wanted = NetworkWanted(
        bundle, digest or Bundle.open(bundle).digest, None, None, "auto", "auto", "load", 1
    )
    job = Job(None, InferOptions(refine="off"), None, folder, overwrite=False)
    return Order(job, wanted, threads=1, retries=1)


def ended(outcomes: Sequence[Outcome]) -> tuple[set[str], set[str]]:
    """Names of the pairs that are done, and of those that failed."""
    done = {str(pair.out) for pair, outcome in outcomes if isinstance(outcome, Done)}
    return done, {str(pair.out) for pair, _ in outcomes} - done


def test_two_workers_give_the_bytes_of_one_machine(
    infer: Callable[..., Ended], table: Path, tmp_path: Path
) -> None:
    alone = infer(table, "--out", tmp_path / "one", "--threads", 1)
    spread_over = infer(
        table, "--out", tmp_path / "two", "--scheduler", "local:2", "--failures", tmp_path / "f.csv"
    )
    assert (alone.code, spread_over.code) == (3, 3)
    assert sorted(alone.out.replace("/one", "/two").splitlines()) == sorted(
        spread_over.out.splitlines()
    )
    assert spread_over.err.splitlines()[-1].endswith(
        f"1 of 6 pairs failed; they are listed in {tmp_path / 'f.csv'}"
    )
    assert names(tmp_path / "two" / "pairs") == {"0", "1", "2", "4", "5"}
    for folder in names(tmp_path / "one" / "pairs"):
        for name in names(tmp_path / "one" / "pairs" / folder):
            one, two = ((tmp_path / run / "pairs" / folder / name) for run in ("one", "two"))
            if name == "report.json":
                told = [json.loads(path.read_text()) for path in (one, two)]
                assert told[0]["request"] == told[1]["request"] is not None
            else:
                assert one.read_bytes() == two.read_bytes(), name
    assert not list((tmp_path / "two").glob(".lunar-*"))


def test_failed_pairs_are_a_list_for_the_next_run(
    infer: Callable[..., Ended], table: Path, tmp_path: Path
) -> None:
    call = ["--out", tmp_path / "out", "--failures", tmp_path / "f.csv"]
    infer(table, *call)
    with (tmp_path / "f.csv").open(newline="") as file:
        (failed,) = csv.DictReader(file)
    assert failed["out"] == "pairs/3"
    assert failed["error"].endswith("3_1.png: no such file; check the path")
    (tmp_path / "3_1.png").write_bytes(encode(texture(7), ".png"))
    again = infer(tmp_path / "f.csv", *call)
    assert (again.code, again.err) == (0, "")
    assert len(read_pairs(table)) == len(names(tmp_path / "out" / "pairs"))


def test_resume_makes_what_is_missing_or_damaged_and_nothing_else(
    infer: Callable[..., Ended], table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    infer(table, "--out", out)
    (tmp_path / "3_1.png").write_bytes(encode(texture(7), ".png"))
    depth = out / "pairs" / "1" / "depth.tif"
    before = depth.read_bytes()
    depth.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    (out / "pairs" / "2" / "report.json").write_text("{")
    ids = {name: (out / "pairs" / name).stat().st_ino for name in "01245"}
    again = infer(table, "--out", out, "--resume")
    assert again.code == 0
    assert again.out.splitlines()[-1].startswith("6 of 6 pairs done")
    assert again.out.splitlines()[-1].endswith(f", 3 of them before, in {out}")
    assert again.out.count("(there already)") == 3
    assert depth.read_bytes() == before
    kept = {name for name in ids if (out / "pairs" / name).stat().st_ino == ids[name]}
    assert kept == {"0", "4", "5"}


def test_a_result_of_another_request_is_not_resumed(
    infer: Callable[..., Ended], table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    infer(table, "--out", out)
    (tmp_path / "0_0.png").write_bytes(encode(texture(99), ".png"))  # another image
    again = infer(table, "--out", out, "--resume")
    assert f"{out / 'pairs' / '0'}: is the result of other images, options, rig" in again.err
    assert again.err.splitlines()[-1] == "lunar-infer: 2 of 6 pairs failed"
    other = infer(table, "--out", out, "--resume", "--smoothing-px", 3)
    assert other.err.splitlines()[-1] == "lunar-infer: 6 of 6 pairs failed"
    assert infer(table, "--out", out, "--resume", "--overwrite").out.count("(there already)") == 4


def test_results_that_are_there_fail_their_pair_alone(
    infer: Callable[..., Ended], table: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "pairs" / "5").mkdir(parents=True)
    outcome = infer(table, "--out", tmp_path / "out", "--scheduler", "local:1")
    assert "pairs/5: exists already; set --overwrite" in outcome.err
    assert outcome.err.splitlines()[-1] == "lunar-infer: 2 of 6 pairs failed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scheduler", "local:0"], "--scheduler local:0: write local:N"),
        (["--scheduler", "tcp://host"], "--scheduler tcp://host: write tcp://HOST:PORT"),
        (["--scheduler", "ssh://host:1"], "ssh://host:1: write one of local, tcp, tls before the"),
        (["--scheduler", "local:1", "--sequence"], "--sequence is a vehicle's; leave it out with"),
        (["--scheduler", "local:1", "--deadline-ms", "9"], "--deadline-ms is a vehicle's"),
    ],
)
def test_wrong_usage_is_one_line(
    infer: Callable[..., Ended], table: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    outcome = infer(table, "--out", tmp_path / "out", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("option", [["--scheduler", "local:1"], ["--resume"], ["--retries", "2"]])
def test_options_of_many_pairs_are_refused_with_one(
    infer: Callable[..., Ended], table: Path, tmp_path: Path, option: list[str]
) -> None:
    outcome = infer(tmp_path / "0_0.png", tmp_path / "0_1.png", *option)
    assert outcome.code == 2
    assert f"{option[0]} is for many pairs; give a folder or a .csv file of them" in outcome.err


def test_no_scheduler_is_one_line_and_exit_4(infer: Callable[..., Ended], table: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    outcome = infer(table, "--scheduler", address)
    assert outcome.code == 4
    assert outcome.err == (
        f"lunar-infer: --scheduler {address}: nothing answers there; start it with `dask "
        "scheduler`, or check the address\n"
    )


def test_a_worker_with_another_bundle_ends_the_work(
    bundle: Path, table: Path, tmp_path: Path
) -> None:
    order = order_of(bundle, tmp_path / "out", digest="0" * 64)
    with pytest.raises(BundleError, match="is another bundle here than where the order comes"):
        list(spread("local:1", order, read_pairs(table)))


def test_a_worker_with_another_version_ends_the_work(
    bundle: Path, table: Path, tmp_path: Path
) -> None:
    order = replace(order_of(bundle, tmp_path / "out"), version="0.0.1")
    with pytest.raises(BundleError, match=r"the order comes from 0\.0\.1; install the same"):
        list(spread("local:1", order, read_pairs(table)))


# --- what is lost ---


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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


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
