"""The same list of rendered pairs, by one worker and by several in turn."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from lunar_calib.datasets.rendered_folders import write_folder
from lunar_runtime.bundles.bundle import Bundle, default_bundle_path
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.report.records import Report
from lunar_runtime.report.result_names import REPORT_NAME

from lunar_bench.archives.record import ArchiveResult, ArchiveRound
from lunar_bench.archives.workers import workers_of
from lunar_bench.sensors.machine import describe_machine

_POLL_S = 0.2
_INFER = "from lunar_runtime.commands.infer import main; main()"
_RESULTS = "[0-9]*/[0-9]*"


def measure_archive(
    pairs: int,
    distinct: int,
    size_px: int,
    workers: Sequence[int],
    *,
    rounds: int,
    kills: int,
    refine: Literal["auto", "off"] = "auto",
    seed: int,
    bundle: Path | None = None,
    work: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> ArchiveResult:
    """Run `lunar-infer --scheduler local:N` over a list of pairs.

    Args:
        pairs: In the list.
        distinct: Rendered; the list repeats them.
        size_px: Side of their images.
        workers: Numbers of them, that take turns.
        rounds: Of such turns.
        kills: Workers that each run loses to SIGKILL, spread over its pairs.
        refine: As of `lunar-infer`.
        seed: Of what is rendered.
        bundle: Of the network; None = the one in the package.
        work: Where results are written for a while; None = where temporary files are.
        tell: Given a line a run.
    """
    digest = Bundle.open(bundle or default_bundle_path()).digest
    done: list[ArchiveRound] = []
    with tempfile.TemporaryDirectory(prefix="lunar-bench-archive-", dir=work) as folder:
        table = _write_list(Path(folder), pairs, min(distinct, pairs), size_px, seed)
        for _ in range(rounds):
            for count in workers:
                done.append(_run(Path(folder), table, pairs, count, kills, refine, bundle))
                tell(f"{count} workers: {done[-1].seconds:.1f} s, {done[-1].whole} whole")
    most, fewest = max(workers), min(workers)
    took = {n: [r.seconds for r in done if r.workers == n] for n in (most, fewest)}
    return ArchiveResult(
        bundle_digest=digest,
        pairs=pairs,
        distinct=min(distinct, pairs),
        size_px=size_px,
        refine=refine,
        rounds=done,
        speedup=[round(slow / fast, 3) for slow, fast in zip(took[fewest], took[most], strict=True)]
        if most > fewest
        else [],
        machine=describe_machine(),
    )


def summary(result: ArchiveResult) -> Iterator[str]:
    """Lines for a person."""
    yield f"{result.pairs} pairs of {result.size_px} px, {result.distinct} of them distinct"
    for r in result.rounds:
        yield (
            f"{r.workers} workers: {r.seconds:.1f} s, {1e3 * r.seconds / result.pairs:.0f} ms a "
            f"pair, {r.cpu_s:.1f} s of the processors; {r.whole} whole, {r.failed} failed, "
            f"{r.killed} workers killed; largest process {r.largest_mib:.0f} MiB"
        )
    if result.speedup:
        yield "speedup, round by round: " + ", ".join(f"{s:.2f}" for s in result.speedup)


def _write_list(folder: Path, pairs: int, distinct: int, size_px: int, seed: int) -> Path:
    scenes = list(write_folder(folder / "pairs", distinct, size_px, seed, layout="rig"))
    table = folder / "pairs.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["left", "right", "rig", "out"])
        for number in range(pairs):
            scene = Path(scenes[number % distinct])
            names = (scene / name for name in ("left.png", "right.png", "rig.json"))
            writer.writerow([*names, f"{number // 1000:03d}/{number % 1000:03d}"])
    return table


def _run(
    folder: Path,
    table: Path,
    pairs: int,
    workers: int,
    kills: int,
    refine: str,
    bundle: Path | None,
) -> ArchiveRound:
    out, failures = folder / "out", folder / "failed.csv"
    failures.unlink(missing_ok=True)
    asked = [
        *(sys.executable, "-c", _INFER, table, "--out", out, "--failures", failures),
        *("--scheduler", f"local:{workers}", "--threads", "1", "--refine", refine),
        *(() if bundle is None else ("--bundle", bundle)),
    ]
    before, start, killed = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([str(word) for word in asked], stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(_POLL_S)
            if killed < kills and _ended(out) > pairs * (killed + 1) / (kills + 1):
                found = workers_of(process.pid)
                if found:
                    os.kill(max(found), signal.SIGKILL)
                    killed += 1
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    failed = 0
    if failures.exists():
        with failures.open(newline="") as file:
            failed = sum(1 for _ in csv.DictReader(file))
    whole = sum(_is_whole(result) for result in out.glob(_RESULTS))
    shutil.rmtree(out, ignore_errors=True)
    return ArchiveRound(
        workers=workers,
        seconds=round(seconds, 2),
        cpu_s=round(cpu, 2),
        killed=killed,
        exit=process.returncode,
        whole=whole,
        failed=failed,
        largest_mib=round(after.ru_maxrss / 1024, 1),
    )


def _ended(out: Path) -> int:
    return sum(1 for _ in out.glob(_RESULTS))


def _is_whole(result: Path) -> bool:
    try:
        report = msgspec.json.decode((result / REPORT_NAME).read_bytes(), type=Report)
        return all(sha256_of(result / n) == record.sha256 for n, record in report.files.items())
    except (OSError, ValueError):
        return False
