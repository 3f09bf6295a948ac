"""The records of a campaign as they are made, one a line, so that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path

import msgspec
from lunar_runtime.errors import InputError, OutputError

from lunar_bench.honesty.record import SituationRecord
from lunar_bench.record.base import Record


class JournalHead(Record, frozen=True):
    """What the records of a journal rest on: the first line.

    Attributes:
        data: What pairs.
        seed: Of the situations.
        bundle_digest: SHA-256 of the network's manifest.
        commit: Of the code.
    """

    data: str
    seed: int
    bundle_digest: str
    commit: str


class Journal:
    """A file of records; None of them where there is no file.

    Args:
        path: Of the file, made if need be; None keeps nothing.
        head: Of this campaign.

    Raises:
        InputError: The file is of another campaign, or no journal.
    """

    def __init__(self, path: Path | None, head: JournalHead) -> None:
        self.path, self.head = path, head
        self.done: dict[str, SituationRecord] = {}
        if path is not None and path.exists():
            self._read(path)

    def add(self, record: SituationRecord) -> None:
        """Keep one more.

        Raises:
            OutputError: The file cannot be written.
        """
        self.done[record.id] = record
        if self.path is None:
            return
        try:
            new = not self.path.exists()
            with self.path.open("ab") as file:
                if new:
                    file.write(msgspec.json.encode(self.head) + b"\n")
                file.write(msgspec.json.encode(record) + b"\n")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written ({error.strerror})") from error

    def _read(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            lines = content.split(b"\n")
            head = msgspec.json.decode(lines[0], type=JournalHead)
            records = [msgspec.json.decode(line, type=SituationRecord) for line in lines[1:-1]]
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: not a journal of a campaign ({error})") from error
        if head != self.head:
            raise InputError(
                f"{path}: of another campaign ({_differences(head, self.head)}); give another file"
            )
        self.done = {record.id: record for record in records}
        if lines[-1]:  # the run was stopped while it wrote the last line
            path.write_bytes(content[: -len(lines[-1])])


def _differences(old: JournalHead, new: JournalHead) -> str:
    names = JournalHead.__struct_fields__
    return ", ".join(
        f"{name} {getattr(old, name)}, not {getattr(new, name)}"
        for name in names
        if getattr(old, name) != getattr(new, name)
    )
