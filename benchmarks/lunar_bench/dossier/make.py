"""A dossier, from a bundle and records, and its folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder

from lunar_bench.dossier.deviations import deviations_of
from lunar_bench.dossier.evidence import RECORDS, Given, evidence_of, read_record
from lunar_bench.dossier.identity import domain_of, identity_of
from lunar_bench.dossier.kinds import KINDS, SECTIONS
from lunar_bench.dossier.page import make_page
from lunar_bench.dossier.record import Dossier
from lunar_bench.dossier.runs import run_kind
from lunar_bench.sensors.machine import describe_machine

PAGE_NAME, DATA_NAME = "dossier.html", "dossier.json"
_OWNED = frozenset({PAGE_NAME, DATA_NAME, RECORDS})


def qualify(
    bundle: Bundle,
    out: Path,
    *,
    board: str | None = None,
    records: Sequence[Path] = (),
    run: Sequence[str] = (),
    data: Path | None = None,
    quick: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Dossier:
    """Collect records, make those that are wanted, and write the dossier.

    Args:
        bundle: Of which; verified.
        out: Folder for the page, its data and the records, there whole or not at all.
        board: That the bundle is to fly on; None: this machine.
        records: Files of `lunar-bench`, or folders of its `run`.
        run: Kinds to measure now, of those without a record.
        data: Pairs with truth, for the kinds that need them.
        quick: Measure with the least counts: whether all of it runs, not how good anything is.
        overwrite: Replace the dossier that is there.
        tell: Given every command before it runs.

    Raises:
        InputError: A record is none, or two have one name.
        OutputError: `out` exists, or cannot be written.
    """
    check_folder(out, overwrite=overwrite, owned=_OWNED)
    given = [read_record(path) for path in records]
    there = {each.kind for each in given}
    not_run = {}
    for kind in KINDS:
        if kind in there:
            continue
        made: Given | str = "no record was given, and nobody asked for it"
        if kind in run:
            with tempfile.TemporaryDirectory(prefix="lunar-qualify-") as work:
                made = run_kind(kind, bundle.path, data, Path(work), tell, quick=quick)
        if isinstance(made, str):
            not_run[kind] = made
        else:
            given.append(made)
    _refuse_twins(given)
    evidence = [each for one in given for each in evidence_of(one, bundle)]
    order = list(SECTIONS)
    evidence.sort(key=lambda each: (order.index(each.section), list(KINDS).index(each.kind)))
    identity = identity_of(bundle, board, describe_machine())
    dossier = Dossier(
        identity=identity,
        domain=domain_of(bundle),
        evidence=evidence,
        deviations=deviations_of(identity, evidence, not_run),
    )
    with atomic_folder(out, overwrite=overwrite, owned=_OWNED) as folder:
        (folder / RECORDS).mkdir()
        for one in given:
            (folder / RECORDS / one.name).write_bytes(one.content)
        (folder / DATA_NAME).write_bytes(
            msgspec.json.format(msgspec.json.encode(dossier), indent=1) + b"\n"
        )
        (folder / PAGE_NAME).write_text(make_page(dossier), encoding="utf-8")
    return dossier


def _refuse_twins(given: Sequence[Given]) -> None:
    names = [each.name for each in given]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: two records have this name; rename one of them")
