"""The index of a folder of results, made from the results themselves.

A result is `<what>_<network>_<where>[_<size>]`: a JSON file, or a folder with a `result.json`
(`run_…`) or with curves (`training_…`). Files of the same name with another ending go with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError

from lunar_bench.report import headlines
from lunar_bench.report.headlines import Json
from lunar_bench.report.training_headline import training

INDEX_NAME = "README.md"

_ABSENT = "–"
_TRAINING = "training"
_NAME = re.compile(
    r"(?P<what>[a-z]+)_(?P<network>[a-z0-9-]+)_(?P<where>[a-z0-9-]+)(_(?P<size>\d+))?"
)
_HEAD = """# Results

Made by `lunar-bench index benchmarks/results --write` from the files in this folder; not edited by
hand. The method is in [benchmarks/README.md](../README.md).

Names are `<what>_<network>_<where>_<size>`: what was measured; the network (`none` without one);
on what pairs, in what library or how; the side of the images in pixels. In brackets stands the
figure of the best plane on the same pixels, or what the text names. A `+` behind a commit: measured
with changes that were committed right after it.
"""


class _Kind(NamedTuple):
    title: str
    command: str
    headline: Callable[[Json], str]


#: First word of a name -> its section, in the order of the page.
_KINDS = {
    "run": _Kind("Time of bundles and baselines, in turn", "lunar-bench run", headlines.run),
    "gpu": _Kind("A GPU", "lunar-bench gpu-check", headlines.gpu),
    "footprint": _Kind(
        "Whole commands: time from the shell, peak memory",
        "lunar-bench footprint",
        headlines.footprint,
    ),
    "sliding": _Kind("Sequences", "lunar-bench sliding", headlines.sliding),
    "accuracy": _Kind("Accuracy against the truth", "lunar-bench accuracy", headlines.accuracy),
    "peers": _Kind(
        "What a user would pick instead", "lunar-bench peers accuracy|growth", headlines.peers
    ),
    "refinement": _Kind(
        "What the refinement adds",
        "lunar-bench refinement rendered|stereolunar",
        headlines.refinement,
    ),
    "coverage": _Kind(
        "Expected errors against real ones",
        "lunar-bench coverage rendered|stereolunar",
        headlines.coverage,
    ),
    "emulated": _Kind(
        "Other processors, emulated: correctness alone",
        "python benchmarks/emulated_arm64.py",
        headlines.emulated,
    ),
    "landing": _Kind(
        "Places to land against true ground",
        "lunar-bench landing rendered|stereolunar",
        headlines.landing,
    ),
    "landingtimes": _Kind(
        "Time of hazards, sites and maps", "lunar-bench landing times", headlines.landing_times
    ),
    "fused": _Kind(
        "Descents whose pairs are fused",
        "lunar-bench landing fused",
        headlines.fused,
    ),
    "sweep": _Kind(
        "The refinement against what makes a pair hard",
        "lunar-bench refinement sweep",
        headlines.sweep,
    ),
    "apollo": _Kind("The refinement on film", "lunar-bench refinement apollo", headlines.apollo),
    "judgement": _Kind(
        "Is there ground, and the same ground",
        "lunar-bench refinement judgement",
        headlines.judgement,
    ),
    "shading": _Kind(
        "What brightness adds to stereo, arm by arm",
        "lunar-bench refinement shading",
        headlines.shading,
    ),
    "suns": _Kind(
        "What images under other suns add", "lunar-bench refinement suns", headlines.suns
    ),
    "profile": _Kind(
        "Where the refinement's time goes", "lunar-bench refinement profile", headlines.profile
    ),
    "honesty": _Kind(
        "Damaged situations: is a confident answer ever wrong",
        "lunar-bench honesty",
        headlines.honesty,
    ),
    "deadlines": _Kind("Answers in time", "lunar-bench deadlines", headlines.deadlines),
    "stream": _Kind("Descents at a rate", "lunar-bench stream", headlines.stream),
    "archive": _Kind("Archives over worker processes", "lunar-bench archive", headlines.archive),
    "sonnx": _Kind(
        "Requirements of the safety-related profile", "lunar-bench sonnx", headlines.sonnx
    ),
    "edits": _Kind("Edited bundles: is an edit ever taken", "lunar-bench edits", headlines.edits),
    "interruptions": _Kind(
        "Killed, stopped, without disk or memory: what is left",
        "lunar-bench interruptions",
        headlines.interruptions,
    ),
    "upsets": _Kind("Flipped bits", "lunar-bench upsets", headlines.upsets),
    "monitors": _Kind(
        "Monitors: false alarms and what they see", "lunar-bench monitors", headlines.monitors
    ),
    "guards": _Kind("What guards cost", "lunar-bench guards", headlines.guards),
    "variants": _Kind("Variants of the refinement", "an experiment", headlines.variants),
    "precision": _Kind(
        "Lower precisions, by target and method", "lunar-bench precision", headlines.precision
    ),
    "export": _Kind("Exports in lower precision", "lunar-export", headlines.export),
    "ablation": _Kind("Ablation of the distillation", "lunar-distill ablation", headlines.ablation),
    "starts": _Kind("How a distillation begins", "lunar-distill starts", headlines.starts),
}
_TRAINING, _TRAINING_TITLE = "training", "Training curves"


class Result(NamedTuple):
    """One line of the index.

    Attributes:
        what: First word of its name.
        name: Without its ending.
        link: What to open, below the folder.
        beside: Files of the same name with another ending.
        headline: Its figure.
        machine: In words.
        date: Of the measurement, UTC.
        commit: Of the code.
    """

    what: str
    name: str
    link: str
    beside: list[str]
    headline: str
    machine: str
    date: str
    commit: str


def render_index(folder: Path) -> str:
    """The index as Markdown; links are relative to the folder.

    Args:
        folder: Of results.

    Raises:
        InputError: A file in it is none that is known, or its name is not of the scheme.
    """
    results = read_results(folder)
    sections = [(kind, f"## {_KINDS[kind].title}", f"`{_KINDS[kind].command}`") for kind in _KINDS]
    sections.append((_TRAINING, f"## {_TRAINING_TITLE}", "`lunar-distill`"))
    blocks = [_HEAD]
    for what, title, command in sections:
        rows = [_row(result) for result in results if result.what == what]
        if rows:
            head = "| result | headline | machine | date | commit |\n|---|---|---|---|---|"
            blocks.append("\n".join([title, "", f"Measured by {command}.", "", head, *rows, ""]))
    return "\n".join(blocks)


def read_results(folder: Path) -> list[Result]:
    """Every result of a folder, by name.

    Raises:
        InputError: See `render_index`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one of results")
    files = sorted(path for path in folder.iterdir() if path.name != INDEX_NAME)
    main = [path for path in files if path.is_dir() or path.suffix == ".json"]
    names = {path.stem for path in main}
    for path in files:
        if path.stem not in names:
            raise InputError(f"{path}: goes with no result; name it like one of them")
    return [
        _read(path, [f.name for f in files if f.stem == path.stem and f != path]) for path in main
    ]


def _read(path: Path, beside: list[str]) -> Result:
    named = _NAME.fullmatch(path.stem)
    if named is None or named["what"] not in (*_KINDS, _TRAINING):
        raise InputError(
            f"{path}: the name of a result is <what>_<network>_<where>_<size>, beginning with one "
            f"of {', '.join((*_KINDS, _TRAINING))}"
        )
    if named["what"] == _TRAINING:
        return Result(
            _TRAINING, path.stem, f"{path.name}/", beside, training(path), _ABSENT, _ABSENT, _ABSENT
        )
    file = path / "result.json" if path.is_dir() else path
    try:
        saved: Json = json.loads(file.read_bytes())
        headline = _KINDS[named["what"]].headline(saved)
        machine: Json = saved["machine"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"{file}: not a result of this name ({error!r})") from error
    report = f"{path.name}/report.md"
    return Result(
        what=named["what"],
        name=path.stem,
        link=report if (path / "report.md").exists() else path.name,
        beside=beside,
        headline=headline,
        machine=_machine(machine),
        date=str(machine.get("date", _ABSENT))[:10],
        commit=machine.get("commit", _ABSENT),
    )


def _machine(machine: Json) -> str:
    gpu = machine.get("gpu")
    processor = f"{machine['processor']}, {machine['cores']} cores"
    return processor if gpu is None else f"{gpu.split(',')[0]}; {processor}"


def _row(result: Result) -> str:
    links = [f"[{result.name}]({result.link})"]
    links += [f"[{Path(name).suffix}]({name})" for name in result.beside]
    cells = [" ".join(links), result.headline, result.machine, result.date, result.commit]
    return f"| {' | '.join(cells)} |"
