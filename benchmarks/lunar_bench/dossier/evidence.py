"""Records as they lie on the disk, read, recognised and copied beside a dossier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import InputError
from lunar_runtime.files.printable import printable
from lunar_runtime.files.regular_file import read_regular

from lunar_bench.dossier.kinds import KINDS
from lunar_bench.dossier.record import Evidence, OfBundle

#: Folder of the copies, in the dossier's.
RECORDS = "records"

_MOST_BYTES = 1 << 28
_RESULT_NAME = "result.json"  # of `lunar-bench run`, in a folder
_DIGESTS = ("bundle_digest", "digest", "model_sha256")


class Given(NamedTuple):
    """A record that was given or made.

    Attributes:
        kind: As in `KINDS`.
        name: Of its copy.
        content: As it is on the disk.
        source: `run`, or name of its file.
        command: That made it, if known.
        few: Whether it was made with the least counts.
    """

    kind: str
    name: str
    content: bytes
    source: str
    command: str = ""
    few: bool = False


def read_record(
    path: Path, kind: str | None = None, command: str = "", *, few: bool = False
) -> Given:
    """Read a record; a folder stands for the `result.json` in it.

    Args:
        path: Named `<kind>_…`, as the results of the project are.
        kind: Which it is; None: its name tells.
        command: That made it just now; empty: it was given.
        few: Whether it was made with the least counts.

    Raises:
        InputError: It cannot be read, or its name tells no kind.
    """
    file = path / _RESULT_NAME if path.is_dir() else path
    told = kind or path.stem.split("_")[0]
    if told not in KINDS:
        raise InputError(
            f"{path}: the name of a record begins with what it is, one of {', '.join(KINDS)}"
        )
    content = read_regular(file, _MOST_BYTES, "a record of lunar-bench", "give a record")
    name = f"{told}.json" if command else f"{path.stem}.json"
    return Given(told, name, content, "run" if command else path.name, command, few)


def evidence_of(given: Given, bundle: Bundle) -> Iterator[Evidence]:
    """What a record shows, for each section that it has something for.

    Raises:
        InputError: It is no record of its kind.
    """
    kind = KINDS[given.kind]
    try:
        record: dict[str, Any] = json.loads(given.content)
        machine = record["machine"]
        for section, find in kind.finds.items():
            findings = list(find(record))
            if not findings:  # deadlines and growth may have records of their own
                continue
            yield Evidence(
                section=section,
                kind=given.kind,
                file=f"{RECORDS}/{given.name}",
                sha256=hashlib.sha256(given.content).hexdigest(),
                bytes=len(given.content),
                source=printable(given.source),
                command=given.command or f"lunar-bench {' '.join(kind.words())}",
                headline=kind.headline(record),
                of_bundle=_of_bundle(record, bundle),
                machine=_machine(machine),
                date=str(machine["date"]),
                commit=str(machine["commit"]),
                findings=findings,
                few=given.few,
            )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{given.source}: not a record of `lunar-bench {given.kind}` ({error!r}); give another"
        ) from error


def _machine(machine: dict[str, Any]) -> str:
    where = machine.get("board") or machine["processor"]
    return f"{where}, {machine['cores']} cores"


def _of_bundle(record: dict[str, Any], bundle: Bundle) -> OfBundle:
    manifest = bundle.manifest
    own = {bundle.digest, manifest.files[manifest.graph.file].sha256}
    told = set(_values(record, _DIGESTS))
    if told & own:
        return "this bundle"
    weights = manifest.student.checkpoint_sha256
    if weights is not None and weights in _values(record, ("checkpoint_sha256",)):
        return "same weights"
    return "another bundle" if told else "not said"


def _values(record: object, names: tuple[str, ...], depth: int = 4) -> Iterator[str]:
    """Texts of those names, in a record and what it holds."""
    if depth and isinstance(record, dict):
        for name, value in record.items():
            if name in names and isinstance(value, str):
                yield value
            yield from _values(value, names, depth - 1)
    elif depth and isinstance(record, list):
        for value in record[:50]:
            yield from _values(value, names, depth - 1)
