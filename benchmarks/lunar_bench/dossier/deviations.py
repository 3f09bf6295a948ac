"""What a dossier has to admit: not done, not met, not on this bundle, not on this board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lunar_bench.dossier.kinds import KINDS, SECTIONS
from lunar_bench.dossier.record import Deviation, Evidence, Identity

# That nobody can measure on a computer without the part.
_NEVER = (
    ("time", "worst-case execution time is the longest that was seen, not one that was proven"),
    ("memory", "the largest stack of a thread is the most that was used, not one that was proven"),
    ("monitors", "soft errors are flipped bits in software; no radiation test stands behind them"),
    ("identity", "the text of ECSS-E-HB-40-02A is not held against this dossier; see the mapping"),
)


def deviations_of(
    identity: Identity, evidence: list[Evidence], not_run: Mapping[str, str]
) -> list[Deviation]:
    """All of them.

    Args:
        identity: Which bundle, on what.
        evidence: All records.
        not_run: Kind -> why there is no record of it.
    """
    return [
        *_of_identity(identity),
        *(Deviation(where=kind, what=f"not run: {why}") for kind, why in not_run.items()),
        *(each for record in evidence for each in _of_record(identity, record)),
        *_of_sections(evidence),
        *(Deviation(where=SECTIONS[section].title, what=what) for section, what in _NEVER),
    ]


def _of_identity(identity: Identity) -> Iterator[Deviation]:
    where = SECTIONS["identity"].title
    if not identity.signature.startswith("trusted"):
        what = f"the bundle is {identity.signature}: nobody who is trusted signed it"
        yield Deviation(where=where, what=what)
    for doubt in identity.doubts:
        yield Deviation(where=where, what=doubt)


def _of_record(identity: Identity, record: Evidence) -> Iterator[Deviation]:
    for finding in record.findings:
        if finding.met is False:
            yield Deviation(
                where=record.kind,
                what=f"{finding.name}: {finding.value}; demanded: {finding.demand}",
                file=record.file,
            )
    if next(iter(KINDS[record.kind].finds)) != record.section:
        return  # the same file in a second section
    if record.few:
        what = "made with the least counts, to see that it runs: too few to judge by"
        yield Deviation(where=record.kind, what=what, file=record.file)
    if record.of_bundle != "this bundle":
        what = {
            "same weights": "measured on another bundle of the same weights",
            "another bundle": "measured on another bundle",
            "not said": "the record does not say on which bundle",
        }[record.of_bundle]
        yield Deviation(where=record.kind, what=what, file=record.file)
    if identity.board not in record.machine:
        yield Deviation(
            where=record.kind,
            what=f"measured on {record.machine}, not on {identity.board}",
            file=record.file,
        )
    if record.commit.endswith("+") or record.commit == "unknown":
        yield Deviation(where=record.kind, what=f"code at commit {record.commit}", file=record.file)


def _of_sections(evidence: list[Evidence]) -> Iterator[Deviation]:
    for key in {section: None for kind in KINDS.values() for section in kind.finds}:
        if not any(record.section == key and record.findings for record in evidence):
            yield Deviation(where=SECTIONS[key].title, what="no record shows anything of it")
