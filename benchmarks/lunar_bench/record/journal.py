"""The records of a campaign as they are made, one a line, so that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from lunar_runtime.errors import InputError, OutputError

from lunar_bench.record.base import Record


class Identified(Record, frozen=True):
    """A record that a journal can keep.

    Attributes:
        id: No other record of the campaign has it.
    """

    id: str


_Kind = TypeVar("_Kind", bound=Identified)


class Journal(Generic[_Kind]):
    """A file of records; None of them where there is no file.

    Args:
        path: Of the file, made if need be; None keeps nothing.
        head: Of this campaign: what its records rest on. The file's first line.
        kind: Type of the records.

    Raises:
        InputError: The file is of another campaign, or no journal.
    """

    def __init__(self, path: Path | None, head: Record, kind: type[_Kind]) -> None:
        self.path, self.head, self._kind = path, head, kind
        self.done: dict[str, _Kind] = {}
        if path is not None and path.exists():
            self._read(path)

    def add(self, record: _Kind) -> None:
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
            head = msgspec.json.decode(lines[0], type=type(self.head))
            records = [msgspec.json.decode(line, type=self._kind) for line in lines[1:-1]]
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: not a journal of a campaign ({error})") from error
        if head != self.head:
            raise InputError(
                f"{path}: of another campaign ({_differences(head, self.head)}); give another file"
            )
        self.done = {record.id: record for record in records}
        if lines[-1]:  # the run was stopped while it wrote the last line
            path.write_bytes(content[: -len(lines[-1])])


def _differences(old: Record, new: Record) -> str:
    names = type(new).__struct_fields__
    return ", ".join(
        f"{name} {getattr(old, name)}, not {getattr(new, name)}"
        for name in names
        if getattr(old, name) != getattr(new, name)
    )
