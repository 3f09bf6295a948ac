"""Commands that are interrupted, and what their outputs must be: the old, the new, never half."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lunar_calib.datasets.rig_files import write_rig_pair
from lunar_calib.render.renderer import render_pair
from lunar_calib.specs.pair_sampling import sample_spec

from lunar_bench.interruptions.record import Kind
from lunar_bench.interruptions.states import (
    PAGE_NAME,
    Judge,
    batch_state,
    bundle_state,
    health_state,
    maps_state,
    page_state,
    rendered_state,
    result_state,
)

_SIDE_PX, _PAIR_SEED, _PAIRS = 128, 41, 3
_CHECKPOINT = Path("models/s0.safetensors")


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
        first: Further arguments of a whole run, so that an output before is another one.
        again: Further arguments of the next start, which may find the output there.
        lines: That an error may have: of many pairs one each, and one of all.
        inside: Its output comes into a folder that is there.
        slow: It takes so long that it is tried only where it is asked for.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    judge: Judge
    kinds: tuple[Kind, ...]
    old: bool = False
    first: tuple[str, ...] = ()
    again: tuple[str, ...] = ("--overwrite",)
    lines: int = 1
    inside: bool = False
    slow: bool = False

    def command(self, out: Path, inputs: Path, more: tuple[str, ...] = ()) -> list[str]:
        """The command line, with further arguments that are not in it anyway."""
        words = [word.format(out=out, input=inputs) for word in self.arguments]
        further = [word for word in more if word not in words]
        call = f"from {self.module} import main; main()"
        return [sys.executable, "-c", call, *words, *further]


def make_inputs(folder: Path) -> None:
    """Pairs, their rig, a table of them, and the result of the first."""
    rows = ["left,right,rig,out"]
    for number in range(_PAIRS):
        pair = render_pair(sample_spec(_PAIR_SEED + number, _SIDE_PX))
        write_rig_pair(pair, folder / str(number))
        rows.append(f"{number}/left.png,{number}/right.png,{number}/rig.json,{number}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    subprocess.run(TASKS[0].command(folder / "result", folder), capture_output=True, check=True)


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
        inside=True,
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
        "map",
        "lunar_ground.commands.map",
        ("{input}/result", "--out", "{out}"),
        maps_state,
        _MOST,
    ),
    Task(
        "page",
        "lunar_ground.commands.view",
        ("{input}/result", "--out", f"{{out}}/{PAGE_NAME}", "--overwrite"),
        page_state,
        _MOST,
        old=True,
        first=("--title", "before"),
        inside=True,
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
