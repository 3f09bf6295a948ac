"""Commands that are interrupted, and what their outputs must be: the old, the new, never half."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from lunar_calib.datasets.rig_files import RIG_PAIR_NAMES, write_rig_pair
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import LunarError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.guard.health_record import HealthRecord
from lunar_runtime.report.outputs import REPORT_NAME

from lunar_bench.interruptions.record import Kind, State

_SIDE_PX, _PAIR_SEED, _PAIRS = 128, 41, 3
_CHECKPOINT = Path("models/s0.safetensors")

#: Says what a folder of outputs is, against what it was before.
Judge = Callable[[Path, Mapping[str, str]], State]


@dataclass(frozen=True)
class Task:
    """A command, and its output.

    Attributes:
        name: Of the task.
        module: That has the command's `main`.
        arguments: With `{out}` for the place of the output, `{input}` for that of the pairs.
        judge: Of the output.
        kinds: Of interruptions that it is tried with.
        old: Whether there is an output before, which is to be replaced.
        again: Further arguments of the next start, which may find the output there.
        lines: That an error may have: of many pairs one each, and one of all.
        slow: It takes so long that it is tried only where it is asked for.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    judge: Judge
    kinds: tuple[Kind, ...]
    old: bool = False
    again: tuple[str, ...] = ("--overwrite",)
    lines: int = 1
    slow: bool = False

    def command(self, out: Path, inputs: Path, *, again: bool = False) -> list[str]:
        """The command line, for a first or a next start."""
        words = [word.format(out=out, input=inputs) for word in self.arguments]
        more = [word for word in (self.again if again else ()) if word not in words]
        call = f"from {self.module} import main; main()"
        return [sys.executable, "-c", call, *words, *more]


def make_inputs(folder: Path) -> None:
    """Pairs, their rig and a table of them."""
    rows = ["left,right,rig,out"]
    for number in range(_PAIRS):
        pair = render_pair(sample_spec(_PAIR_SEED + number, _SIDE_PX))
        write_rig_pair(pair, folder / str(number))
        rows.append(f"{number}/left.png,{number}/right.png,{number}/rig.json,{number}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")


def result_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of one result of lunar-infer."""
    if not folder.exists():
        return "half" if before else "old"
    found = digests(folder)
    if before and found == before:
        return "old"
    try:
        files = json.loads((folder / REPORT_NAME).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return "half"
    told = {name: record["sha256"] for name, record in files.items()}
    return "new" if {n: d for n, d in found.items() if n != REPORT_NAME} == told else "half"


def batch_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of the results of many pairs: none of them is half."""
    states = {result_state(path, {}) for path in folder.glob("*") if not path.name.startswith(".")}
    if "half" in states:
        return "half"
    return "new" if states else "old"


def health_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of a result with a health file beside it, all of whose lines are records."""
    lines = (folder / "health.jsonl").read_bytes() if (folder / "health.jsonl").exists() else b""
    try:
        for line in lines.splitlines():
            msgspec.json.decode(line, type=HealthRecord)
    except msgspec.DecodeError:
        return "half"
    return "half" if lines and not lines.endswith(b"\n") else result_state(folder / "map", before)


def bundle_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of a bundle."""
    if not folder.exists():
        return "half" if before else "old"
    if before and digests(folder) == before:
        return "old"
    try:
        bundle = Bundle.open(folder)
        bundle.model(), bundle.golden()
    except LunarError:
        return "half"
    return "new"


def rendered_state(folder: Path, before: Mapping[str, str]) -> State:
    """Of rendered pairs: none of them is half."""
    pairs = [path for path in folder.glob("*") if not path.name.startswith(".")]
    for path in pairs:
        if {file.name for file in path.iterdir()} != RIG_PAIR_NAMES:
            return "half"
        np.load(path / "truth.npz")["depth_left"]
    return "new" if pairs else "old"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its name in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


_INFER, _ONE = "lunar_runtime.commands.infer", "{input}/0/"
_PAIR = (f"{_ONE}left.png", f"{_ONE}right.png", "--rig", f"{_ONE}rig.json", "--threads", "1")
_MOST: tuple[Kind, ...] = ("kill", "term", "disk", "address", "data")

TASKS = (
    Task("pair", _INFER, (*_PAIR, "--out", "{out}"), result_state, _MOST),
    Task("overwrite", _INFER, (*_PAIR, "--out", "{out}", "--overwrite"), result_state, _MOST, True),
    Task(
        "batch",
        _INFER,
        ("{input}/pairs.csv", "--threads", "1", "--out", "{out}"),
        batch_state,
        _MOST,
        lines=_PAIRS + 1,
    ),
    Task(
        "health",
        _INFER,
        (*_PAIR, "--out", "{out}/map", "--health", "{out}/health.jsonl"),
        health_state,
        ("kill", "term", "disk"),
    ),
    Task(
        "watched",
        _INFER,
        (*_PAIR, "--out", "{out}", "--watchdog", "--deadline-ms", "3000"),
        result_state,
        ("stop", "kill", "term"),
    ),
    Task(
        "render",
        "lunar_calib.cli",
        ("render", "--count", "2", "--size", "64", "--layout", "rig", "--out", "{out}"),
        rendered_state,
        _MOST,
    ),
    Task(
        "export",
        "lunar_export.commands.export",
        ("--ckpt", str(_CHECKPOINT), "--precision", "fp32", "--size", "64", "--out", "{out}"),
        bundle_state,
        ("kill", "term", "disk"),
        slow=True,
    ),
)


def tidy(folder: Path) -> None:
    """Remove a place of outputs and all that is hidden in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
