"""The dossier as one HTML page: no script, nothing from the network, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from urllib.parse import quote

from lunar_bench.dossier.kinds import SECTIONS
from lunar_bench.dossier.record import Deviation, Dossier, Evidence, Finding
from lunar_bench.report.page import STYLE

_STYLE = (
    STYLE
    + """
td { white-space: normal; vertical-align: top; } code { font-size: 12px; word-break: break-all; }
.met { color: #1a7f37; } .not-met { color: #d62728; font-weight: 600; }
.maps { color: #666; font-size: 13px; } nav a { margin-right: 1rem; }
@media print { nav { display: none; } body { margin: 0; max-width: none; } }
"""
)
_HANDBOOK = (
    "The text of ECSS-E-HB-40-02A (Machine learning qualification for space applications; also "
    "CEN/CLC/TR 17603-40-02) was not at hand, and its headings are not in public indexes. What is "
    "public is its scope: 1, machine learning and best practices of development and verification; "
    "2, which approach is appropriate for which project, and validation by use case; 3, mapping "
    "to ECSS-E-ST-40C and ECSS-Q-ST-80C; 4, how to meet their requirements, as for testing and "
    "qualification. The sections below are mapped to these points and to processes of the two "
    "standards. EASA's terms are those of its concept paper on level 1 and 2 machine learning "
    "applications, issue 02: its headings, not its objectives by number. Nobody of either body has "
    "seen this page."
)


def make_page(dossier: Dossier) -> str:
    """The whole page."""
    identity = dossier.identity
    title = f"Qualification dossier: {identity.bundle} on {identity.board}"
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_verdict(dossier))}</p>",
        _contents(),
        *_head("identity"),
        _pairs(
            {
                "bundle": identity.bundle,
                "board": identity.board,
                "manifest, SHA-256": identity.digest,
                **{f"{name}, SHA-256": value for name, value in identity.files.items()},
                "signature": identity.signature,
                "created": identity.created,
                **identity.facts,
                "dossier made on": f"{identity.machine.processor}, {identity.machine.system}",
                "dossier made": identity.machine.date,
                **identity.machine.versions,
            }
        ),
        *_head("domain"),
        _pairs(dossier.domain),
    ]
    for key in SECTIONS:
        if key not in ("identity", "domain"):
            parts += _head(key)
            parts += [_evidence(each) for each in dossier.evidence if each.section == key]
            if not any(each.section == key for each in dossier.evidence):
                parts.append('<p class="warning">No record.</p>')
    parts += [
        '<h2 id="deviations">Deviations</h2>',
        _table(("where", "what", "record"), map(_deviation, dossier.deviations)),
        '<h2 id="mapping">Mapping</h2>',
        f"<p>{escape(_HANDBOOK)}</p>",
        _table(
            ("section", "ECSS", "EASA, learning assurance"),
            (tuple(map(escape, section)) for section in SECTIONS.values()),
        ),
        '<h2 id="records">Raw records</h2>',
        _table(("record", "SHA-256", "bytes", "source", "command"), _records(dossier.evidence)),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _verdict(dossier: Dossier) -> str:
    found = [finding for each in dossier.evidence for finding in each.findings]
    judged = [finding for finding in found if finding.met is not None]
    met = sum(bool(finding.met) for finding in judged)
    records = len({each.file for each in dossier.evidence})
    return (
        f"{met} of {len(judged)} demands met, {len(found)} figures from {records} records, "
        f"{len(dossier.deviations)} deviations. This page judges nothing beyond its demands: "
        "whether the bundle is fit to fly is decided by whoever reads it."
    )


def _contents() -> str:
    links = [(key, section.title) for key, section in SECTIONS.items()]
    links += [("deviations", "Deviations"), ("mapping", "Mapping"), ("records", "Raw records")]
    return "<nav>" + "".join(f'<a href="#{k}">{escape(title)}</a>' for k, title in links) + "</nav>"


def _head(key: str) -> list[str]:
    section = SECTIONS[key]
    return [
        f'<h2 id="{key}">{escape(section.title)}</h2>',
        f'<p class="maps">{escape(section.ecss)}. EASA: {escape(section.easa)}.</p>',
    ]


def _evidence(each: Evidence) -> str:
    rows = [_finding(finding, each.file) for finding in each.findings]
    where = f"{each.machine}; {each.date}; commit {each.commit}; {each.of_bundle}"
    return (
        f"<h3>{escape(each.kind)}</h3><p>{_link(each.file, each.headline)}<br>"
        f'<span class="maps">{escape(where)}</span></p>'
        + _table(("figure", "value", "demand", "", "record"), rows)
    )


def _finding(finding: Finding, file: str) -> tuple[str, ...]:
    mark = {True: '<span class="met">met</span>', False: '<span class="not-met">not met</span>'}
    return (
        escape(finding.name),
        escape(finding.value),
        escape(finding.demand),
        mark.get(finding.met, "") if finding.met is not None else "",
        _link(file, "raw"),
    )


def _deviation(each: Deviation) -> tuple[str, ...]:
    return escape(each.where), escape(each.what), _link(each.file, "raw") if each.file else ""


def _records(evidence: Iterable[Evidence]) -> Iterator[tuple[str, ...]]:
    for each in {each.file: each for each in evidence}.values():
        yield (
            _link(each.file, each.file),
            f"<code>{escape(each.sha256)}</code>",
            str(each.bytes),
            escape(each.source),
            f"<code>{escape(each.command)}</code>",
        )


def _link(file: str, text: str) -> str:
    return f'<a href="{escape(quote(file))}">{escape(text)}</a>'


def _pairs(values: dict[str, str]) -> str:
    return _table((), ((escape(name), escape(value)) for name, value in values.items()))


def _table(head: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Of cells that are escaped already."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table>{f"<tr>{top}</tr>" if head else ""}{body}</table></div>'
