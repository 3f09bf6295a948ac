"""What a dossier says, as types; its JSON is this."""

from __future__ import annotations

from typing import Literal

from lunar_bench.record.base import Record
from lunar_bench.record.machine import Machine

DOSSIER_VERSION = 1

#: Against the bundle that the dossier is of: it, another one of the same weights, another one, or
#: the record does not say.
OfBundle = Literal["this bundle", "same weights", "another bundle", "not said"]


class Finding(Record, frozen=True, kw_only=True):
    """One figure of a record.

    Attributes:
        name: What it is.
        value: With its unit, in words.
        demand: What it must be; empty where nothing is demanded.
        met: Whether it is; None where nothing is demanded.
    """

    name: str
    value: str
    demand: str = ""
    met: bool | None = None


class Evidence(Record, frozen=True, kw_only=True):
    """A raw record, copied beside the dossier, and what it shows.

    Attributes:
        section: Of the dossier, as in `SECTIONS`.
        kind: Of the record, as in `KINDS`.
        file: Below the dossier's folder.
        sha256: Of that file.
        bytes: Of that file.
        source: `run` now, or name of the file that was given.
        command: That made it, where it was run now; else the kind's.
        headline: Its figure.
        of_bundle: Whose it is.
        machine: Where it was measured.
        date: When, UTC.
        commit: With which code.
        findings: Its figures.
        few: Whether it was made with the least counts, to see that it runs.
    """

    section: str
    kind: str
    file: str
    sha256: str
    bytes: int
    source: str
    command: str
    headline: str
    of_bundle: OfBundle
    machine: str
    date: str
    commit: str
    findings: list[Finding]
    few: bool = False


class Deviation(Record, frozen=True, kw_only=True):
    """Something that was not done, or is not as it must be.

    Attributes:
        where: Section, or kind of record.
        what: In words.
        file: Of the record that shows it; empty where there is none.
    """

    where: str
    what: str
    file: str = ""


class Identity(Record, frozen=True, kw_only=True):
    """Which bundle, on what.

    Attributes:
        board: What it is to fly on, as it was named.
        bundle: Name of its folder.
        digest: SHA-256 of its manifest.
        files: Name -> SHA-256.
        signature: State, and who signed.
        created: When.
        facts: Further ones, name -> value.
        doubts: What the bundle itself warns of.
        machine: On which the dossier was made.
    """

    board: str
    bundle: str
    digest: str
    files: dict[str, str]
    signature: str
    created: str
    facts: dict[str, str]
    doubts: list[str]
    machine: Machine


class Dossier(Record, frozen=True, kw_only=True):
    """See the module.

    Attributes:
        dossier_version: Of this layout.
        identity: Which bundle, on what.
        domain: What inputs it is for, name -> bound.
        evidence: Records, in the order of the sections.
        deviations: All of them.
    """

    dossier_version: int = DOSSIER_VERSION
    identity: Identity
    domain: dict[str, str]
    evidence: list[Evidence]
    deviations: list[Deviation]
