"""Messages of an MCAP file, in the order in which they were written, every checksum checked.

The file is read from its beginning, without its index: a file that was cut has none. The `mcap`
package checks nothing by itself, and what it raises for a damaged file is of many kinds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from lunar_runtime.errors import InputError
from mcap.records import Channel, Chunk, DataEnd, Footer, Message, Schema
from mcap.stream_reader import CRCValidationError, StreamReader, breakup_chunk

from lunar_ground.bags.records import Damage, Record, Topic, topic_of

MAGIC = b"\x89MCAP0\r\n"
_BLAME = "it was cut, as by a loss of power"


def read_mcap(
    path: Path, damage: Damage, topics: Collection[str] | None = None
) -> Iterator[Topic | Record]:
    """Give every topic when it is met first, and the messages of some.

    Args:
        path: The file.
        damage: Is told what is wrong.
        topics: Whose messages are wanted; None = all.

    Raises:
        InputError: It is damaged, and nobody asked to recover the rest; or it is no MCAP file.
    """
    schemas: dict[int, Schema] = {}
    channels: dict[int, Topic] = {}
    count = 0
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise InputError(f"{path}: is no MCAP file; check the path")
        stream.seek(0)
        # A length that was damaged must not be allocated.
        most = path.stat().st_size
        reader = StreamReader(stream, emit_chunks=True, validate_crcs=True, record_size_limit=most)
        records = iter(reader.records)
        ended = checked = False
        while True:
            try:
                record = next(records, None)
            except CRCValidationError:  # of all that there was
                damage.found(path, "the checksum of all messages is wrong")
                ended = True
                continue
            except Exception as error:  # of mcap and struct: whatever they met
                reason = " ".join(str(error).split()) or type(error).__name__
                damage.found(path, f"{_BLAME}, after {count} messages ({reason})")
                break
            if record is None:
                if not ended:
                    damage.found(path, f"{_BLAME}, after {count} messages")
                break
            checked |= isinstance(record, Chunk) and record.uncompressed_crc != 0
            if isinstance(record, DataEnd):
                ended = True
                checked |= record.data_section_crc != 0
            if isinstance(record, Footer):
                break
            try:
                inside = _inside(record)
            except (
                Exception
            ):  # of its checksum, zstd or lz4; its length is right: the next is whole
                damage.found(path, f"a part with messages after the {count}th is damaged")
                continue
            for part in inside:
                if isinstance(part, Schema):
                    schemas[part.id] = part
                elif isinstance(part, Channel) and part.id not in channels:
                    schema = schemas.get(part.schema_id)
                    kind = "" if schema is None else schema.name
                    channels[part.id] = topic_of(part.topic, kind, part.message_encoding)
                    yield channels[part.id]
                elif isinstance(part, Message):
                    count += 1
                    topic = channels.get(part.channel_id)
                    if topic is not None and (topics is None or topic.name in topics):
                        yield Record(topic, part.log_time, part.data)
    if not checked and count:
        damage.unchecked.add(path.name)


def _inside(record: object) -> list[object]:
    return list(breakup_chunk(record, validate_crc=True)) if isinstance(record, Chunk) else [record]
