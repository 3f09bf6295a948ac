"""Messages of a ROS 2 bag's database (SQLite), in the order of their times."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from lunar_runtime.errors import InputError

from lunar_ground.bags.records import Damage, Record, Topic, topic_of

MAGIC = b"SQLite format 3\0"
# Cast, because SQLite gives a damaged value as it finds it: as NULL, say, or as a number.
_TOPICS = (
    "SELECT id, CAST(ifnull(name, '') AS TEXT), CAST(ifnull(type, '') AS TEXT), "
    "CAST(ifnull(serialization_format, '') AS TEXT) FROM topics"
)
_MESSAGES = (
    "SELECT topic_id, timestamp, CAST(ifnull(data, '') AS BLOB) FROM messages "
    "WHERE topic_id IN ({}) ORDER BY {}"
)


def read_sqlite(
    path: Path, damage: Damage, topics: Collection[str] | None = None
) -> Iterator[Topic | Record]:
    """Give every topic, then the messages of some.

    SQLite has no checksums: a changed byte of a message is not noticed.

    Args:
        path: The file.
        damage: Is told what is wrong.
        topics: Whose messages are wanted; None = all.

    Raises:
        InputError: It is damaged, and nobody asked to recover the rest; or it is no such database.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        damage.found(path, f"was not closed, and its last messages are in {log.name}")
    missing = _missing_bytes(path)
    if missing:
        damage.found(path, f"it was cut, {missing} bytes before its end")
        with TemporaryDirectory() as folder:
            yield from _read(_padded(path, missing, Path(folder)), path, damage, topics)
    else:
        yield from _read(path, path, damage, topics)


def _missing_bytes(path: Path) -> int:
    """By what its header says."""
    with path.open("rb") as stream:
        head = stream.read(32)
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return max(0, (1 << 16 if page == 1 else page) * pages - path.stat().st_size)


def _padded(path: Path, missing: int, folder: Path) -> Path:
    """A copy of the right length, with a hole at its end: SQLite reads nothing of a shorter one."""
    copy = folder / path.name
    shutil.copyfile(path, copy)
    os.truncate(copy, path.stat().st_size + missing)
    return copy


def _read(
    file: Path, path: Path, damage: Damage, topics: Collection[str] | None
) -> Iterator[Topic | Record]:
    count = 0
    try:
        # Not to be written: reading makes no journal beside somebody's recording.
        where = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as database:
            found = {number: topic_of(*told) for number, *told in database.execute(_TOPICS)}
            yield from found.values()
            damage.unchecked.add(path.name)
            wanted = [
                number for number, topic in found.items() if topics is None or topic.name in topics
            ]
            # By time; of a damaged one as they lie, which needs no index.
            order = "rowid" if damage.recover else "timestamp, rowid"
            marks = ",".join("?" * len(wanted))
            for number, time_ns, data in database.execute(_MESSAGES.format(marks, order), wanted):
                count += 1
                yield Record(found[number], time_ns, data)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "no such column" in str(error):
            raise InputError(f"{path}: is no bag of ROS 2 ({error}); check the path") from error
        damage.found(path, f"is damaged after {count} messages ({error})")
    except sqlite3.DatabaseError as error:
        damage.found(path, f"is damaged after {count} messages ({error})")
