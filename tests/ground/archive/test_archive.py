"""lunar-infer over Dask: the same results, whatever is lost on the way."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lunar_runtime.commands.infer import main
from lunar_runtime.errors import BundleError
from lunar_runtime.files.pair_lists import read_pairs
from runtime.images import encode, texture
from runtime.outcomes import Outcome as Ended
from runtime.outcomes import names, run_main

pytest.importorskip("distributed", reason="needs distributed, of the extra `cluster`")

from ground.archive.orders import free_port, order_of
from lunar_ground.archive.spread import spread


@pytest.fixture
def infer(bundle: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*arguments: object) -> Ended:
        return run_main(main, (*arguments, "--bundle", bundle, "--refine", "off"), capfd)

    return run


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
