"""A bag of ROS 2: a folder with an MCAP file that has checksums, and its metadata.

The file is one that Foxglove, RViz and `ros2 bag play` read: profile `ros2`, layouts as `ros2msg`,
messages as CDR.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lunar_runtime.files.atomic_folder import atomic_folder
from lunar_runtime.version import __version__
from mcap.writer import CompressionType, Writer

from lunar_ground.bags.layouts import Fields, definition, encoded

_METADATA = "metadata.yaml"


class BagWriter:
    """Writes messages in the order in which they are given.

    Args:
        writer: Of the MCAP file.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self.counts: dict[tuple[str, str], int] = {}
        self.times_ns: list[int] = []

    def write(self, topic: str, kind: str, fields: Fields, time_ns: int) -> None:
        """Write a message.

        Args:
            topic: Its topic.
            kind: Its type.
            fields: All of its fields.
            time_ns: Since 1970.
        """
        if kind not in self._schemas:
            text = definition(kind).encode()
            self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", text)
        if topic not in self._channels:
            self._channels[topic] = self._writer.register_channel(
                topic, "cdr", self._schemas[kind], {"offered_qos_profiles": ""}
            )
        count = self.counts.get((topic, kind), 0)
        self._writer.add_message(
            self._channels[topic], time_ns, encoded(kind, fields), time_ns, sequence=count
        )
        self.counts[topic, kind] = count + 1
        self.times_ns.append(time_ns)


@contextmanager
def written_bag(path: Path, *, overwrite: bool = False) -> Iterator[BagWriter]:
    """A bag to write into; it is there when the block ends, or not at all.

    Args:
        path: The folder.
        overwrite: Replace the bag that is there.

    Raises:
        OutputError: `path` exists, or cannot be written.
    """
    name = f"{path.resolve().name}_0.mcap"
    with atomic_folder(path, overwrite=overwrite, owned={name, _METADATA}) as folder:
        with (folder / name).open("wb") as stream:
            writer = Writer(stream, compression=CompressionType.ZSTD, enable_crcs=True)
            writer.start(profile="ros2", library=f"lunar-edge {__version__}")
            bag = BagWriter(writer)
            yield bag
            writer.finish()
        (folder / _METADATA).write_text(_metadata(bag, name), encoding="utf-8")


def _metadata(bag: BagWriter, name: str) -> str:
    start = min(bag.times_ns, default=0)
    duration = max(bag.times_ns, default=0) - start
    lines = [
        "rosbag2_bagfile_information:",
        "  version: 5",
        "  storage_identifier: mcap",
        f"  duration: {{nanoseconds: {duration}}}",
        f"  starting_time: {{nanoseconds_since_epoch: {start}}}",
        f"  message_count: {len(bag.times_ns)}",
        "  topics_with_message_count:",
    ]
    for (topic, kind), count in bag.counts.items():
        lines += [
            "    - topic_metadata:",
            f"        name: {topic}",
            f"        type: {kind}",
            "        serialization_format: cdr",
            '        offered_qos_profiles: ""',
            f"      message_count: {count}",
        ]
    lines += [
        '  compression_format: ""',
        '  compression_mode: ""',
        "  relative_file_paths:",
        f"    - {name}",
        "  files:",
        f"    - path: {name}",
        f"      starting_time: {{nanoseconds_since_epoch: {start}}}",
        f"      duration: {{nanoseconds: {duration}}}",
        f"      message_count: {len(bag.times_ns)}",
    ]
    return "\n".join(lines) + "\n"
