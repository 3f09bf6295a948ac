"""Time two checkouts on the same pairs, in turn, and say how far their results differ.

    python benchmarks/compare_commits.py OLD NEW LEFT RIGHT [--rig RIG] [--rounds 20]

Two versions of one package cannot live in one process. Each checkout therefore has a process of its
own that loads the runtime once and waits; this script asks one of them at a time for one run of the
pair, in an order that turns around each round. Ratios are medians over rounds of two times of the
same round, with a 95 % interval, as in `lunar-bench run`. Both processes use this interpreter and
its libraries; only the runtime's source differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import click
import numpy as np
from lunar_bench.timing.rounds import in_turn
from lunar_bench.timing.statistics import ratio
from lunar_runtime.commands.options import CONTEXT, FILE, PATH, threads
from numpy.typing import NDArray

# Runs in the checkout's own process: only names that every version of the runtime exports.
_WORKER = """
import json, sys, time
import lunar_runtime
import numpy as np
from lunar_runtime import StereoRuntime, read_rig
job = json.loads(sys.stdin.readline())
if not lunar_runtime.__file__.startswith(job["root"]):
    sys.exit(f"{job['root']}: {lunar_runtime.__file__} was imported instead")
rig = read_rig(job["rig"]) if job["rig"] else None
runtime = StereoRuntime.load(job["bundle"], threads=job["threads"])
for line in sys.stdin:
    begin = time.perf_counter()
    result = runtime.infer(job["left"], job["right"], rig)
    total = 1e3 * (time.perf_counter() - begin)
    np.save(job["out"], result.pointmap_left)
    print(json.dumps({**result.timings_ms, "total": total}), flush=True)
"""


class Checkout:
    """The runtime of one checkout, loaded in a process of its own.

    Args:
        root: Of the checkout, with `runtime/lunar_runtime` in it.
        job: What to run; see `_WORKER`.
    """

    def __init__(self, root: Path, job: Mapping[str, object]) -> None:
        if not (root / "runtime/lunar_runtime").is_dir():
            raise click.UsageError(f"{root}: no checkout; it has no runtime/lunar_runtime")
        self.root = root
        self.times: list[dict[str, float]] = []
        path = [str((root / "runtime").resolve()), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._say(json.dumps({**job, "root": str(root.resolve())}))

    def run(self, *, counts: bool) -> None:
        """Run the pair once; if it `counts`, keep stage -> milliseconds in `times`."""
        self._say("run")
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise click.ClickException(f"{self.root}: its runtime failed; its message is above")
        if counts:
            self.times.append(json.loads(answer))

    def __enter__(self) -> Checkout:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@click.command(context_settings=CONTEXT)
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.argument("left", type=FILE)
@click.argument("right", type=FILE)
@click.option("--rig", type=FILE, help="As lunar-infer's.")
@click.option("--bundle", type=PATH, help="Of both.  [default: the one in each checkout]")
@click.option("--rounds", type=click.IntRange(1), default=20, show_default=True)
@click.option("--warmup", type=click.IntRange(1), default=2, show_default=True, help="Rounds.")
@threads
def main(
    old: Path,
    new: Path,
    left: Path,
    right: Path,
    rig: Path | None,
    bundle: Path | None,
    rounds: int,
    warmup: int,
    threads: int | None,
) -> None:
    """Time the runtimes of the checkouts OLD and NEW on one pair, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"left": left, "right": right, "rig": rig, "bundle": bundle}
        job = {name: file and str(file.resolve()) for name, file in files.items()}
        maps = [Path(folder, f"{name}.npy") for name in ("old", "new")]
        jobs = [{**job, "threads": threads, "out": str(out)} for out in maps]
        with Checkout(old, jobs[0]) as first, Checkout(new, jobs[1]) as second:
            for number in range(-warmup, rounds):
                for checkout in in_turn([first, second], number):
                    checkout.run(counts=number >= 0)
        before, after = (np.load(out).astype(np.float64) for out in maps)
    click.echo(f"{'stage':14} {'old, ms':>9} {'new, ms':>9} {'new / old':>9}   95 % interval")
    for stage in first.times[0]:
        if stage in second.times[0]:
            click.echo(_line(stage, *([t[stage] for t in c.times] for c in (first, second))))
    click.echo(_difference(before, after))


def _line(stage: str, old: list[float], new: list[float]) -> str:
    found = ratio(np.maximum(new, 1e-6), np.maximum(old, 1e-6))  # a stage may take nothing
    few = found.low is None or found.high is None
    interval = "too few rounds" if few else f"{found.low:.3f} to {found.high:.3f}"
    return f"{stage:14} {np.median(old):9.1f} {np.median(new):9.1f} {found.value:9.3f}   {interval}"


def _difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    if before.shape != after.shape:
        return f"pointmaps: {before.shape} and {after.shape}"
    known = np.isfinite(before).all(axis=-1)
    if not np.array_equal(known, np.isfinite(after).all(axis=-1)):
        return "pointmaps: known at different pixels"
    apart = np.linalg.norm(after[known] - before[known], axis=-1)
    relative = apart / np.linalg.norm(before[known], axis=-1)
    return (
        f"pointmaps: {np.count_nonzero(known)} points, apart by at most {relative.max():.2g} of "
        f"their distance, {np.median(relative):.2g} in the median"
    )


if __name__ == "__main__":
    main()
