"""Kinds of records: which section they are for, how they are made, what they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from lunar_bench.dossier import findings
from lunar_bench.dossier.record import Finding
from lunar_bench.report import headlines

Json = dict[str, Any]


class Section(NamedTuple):
    """A part of the dossier.

    Attributes:
        title: Of the section.
        ecss: Points of the handbook's public scope, and processes of the standards that it refers
            to, that it gives evidence for.
        easa: The same of EASA's learning assurance.
    """

    title: str
    ecss: str
    easa: str


SECTIONS = {
    "identity": Section(
        "Identity",
        "ECSS-E-ST-40C 5.7 software delivery and acceptance; ECSS-Q-ST-80C configuration",
        "configuration management",
    ),
    "domain": Section(
        "Domain",
        "scope 2: appropriateness for the project; ECSS-E-ST-40C 5.2 system requirements",
        "operational domain and operational design domain (ODD)",
    ),
    "accuracy": Section(
        "Accuracy and honesty",
        "scope 1: development and verification of the model; scope 2: validation by use case",
        "learning process verification; generalisation; inference model verification",
    ),
    "time": Section(
        "Time",
        "scope 4: testing; ECSS-E-ST-40C 5.8 verification: schedulability, processor load",
        "model implementation; inference model verification on the target",
    ),
    "memory": Section(
        "Memory",
        "scope 4: testing; ECSS-E-ST-40C 5.8 verification: memory budget",
        "model implementation; inference model integration",
    ),
    "monitors": Section(
        "Monitors, guards and soft errors",
        "scope 4: testing; ECSS-Q-ST-80C dependability and safety",
        "ODD monitoring; safety assessment; robustness of the inference model",
    ),
    "robustness": Section(
        "Files and interruptions",
        "scope 4: testing; ECSS-E-ST-40C 5.6 validation: robustness",
        "information security; robustness",
    ),
    "conformance": Section(
        "Conformance of the graph",
        "scope 3: mapping to the standards; ECSS-E-ST-40C 5.5 design and implementation",
        "model implementation: description of the model, deviations from the trained one",
    ),
}


class Count(NamedTuple):
    """A number on a command line.

    Attributes:
        full: Enough to judge by; the command then takes minutes, or an hour.
        quick: The least, to see that the command runs.
    """

    full: int
    quick: int


class Kind(NamedTuple):
    """A kind of record.

    Attributes:
        finds: Section -> its findings there.
        command: That makes it, words of the command line; `{bundle}`, `{data}`, `{pair}`.
        headline: Its figure.
        saves: The option that takes the file.
    """

    finds: dict[str, Callable[[Json], Iterator[Finding]]]
    command: tuple[str | Count, ...]
    headline: Callable[[Json], str]
    saves: str = "--save"

    def words(self, *, quick: bool = False) -> list[str]:
        """The command line with its numbers."""
        return [
            word if isinstance(word, str) else str(word.quick if quick else word.full)
            for word in self.command
        ]


_PAIR = ("{pair}/left.png", "{pair}/right.png", "--rig", "{pair}/rig.json", "--threads", "1")

_BUNDLE, _DATA = ("--bundle", "{bundle}"), ("--data", "{data}")
_SOME = ("--refined", Count(20, 1), "--damaged", Count(20, 1))

#: Words of a record's name, or of a command -> its kind.
KINDS = {
    "accuracy": Kind(
        {"accuracy": findings.accuracy},
        ("accuracy", "{bundle}", "--pairs", Count(256, 1), *_DATA, "--refine", "--no-sgbm"),
        headlines.accuracy,
    ),
    "coverage": Kind(
        {"accuracy": findings.coverage},
        ("coverage", "rendered", Count(12, 2), *_BUNDLE),
        headlines.coverage,
    ),
    "honesty": Kind(
        {"accuracy": findings.honesty},
        ("honesty", "--situations", Count(400, 3), "--rendered", Count(12, 1), *_DATA, *_BUNDLE),
        headlines.honesty,
    ),
    "landing": Kind(
        {"accuracy": findings.landing},
        ("landing", "rendered", "--pairs", Count(12, 1), *_BUNDLE),
        headlines.landing,
    ),
    "run": Kind(
        {"time": findings.run},
        ("run", "{bundle}", "--iterations", Count(100, 5), "--starts", "0"),
        headlines.run,
        "--out",
    ),
    "deadlines": Kind(
        {"time": findings.deadlines, "memory": findings.growth},
        ("deadlines", "--pairs", Count(50, 1), "--growth", Count(500, 3), Count(50, 2), *_BUNDLE),
        headlines.deadlines,
    ),
    "footprint": Kind(
        {"memory": findings.footprint},
        ("footprint", "--runs", Count(3, 1), "--", *_PAIR, *_BUNDLE),
        headlines.footprint,
    ),
    "upsets": Kind(
        {"monitors": findings.upsets},
        ("upsets", "{bundle}", "--flips", Count(500, 4), "--pairs", Count(6, 1)),
        headlines.upsets,
    ),
    "monitors": Kind(
        {"monitors": findings.monitors},
        ("monitors", "--pairs", Count(200, 1), *_SOME, *_BUNDLE),
        headlines.monitors,
    ),
    "guards": Kind(
        {"monitors": findings.guards, "time": findings.guards},
        ("guards", "--pairs", Count(6, 1), "--rounds", Count(3, 1), *_BUNDLE),
        headlines.guards,
    ),
    "edits": Kind(
        {"robustness": findings.edits},
        ("edits", "--edits", Count(300, 10), *_BUNDLE),
        headlines.edits,
    ),
    "interruptions": Kind(
        {"robustness": findings.interruptions},
        ("interruptions", "--points", Count(4, 1)),
        headlines.interruptions,
    ),
    "sonnx": Kind({"conformance": findings.sonnx}, ("sonnx", "{bundle}"), headlines.sonnx),
}
