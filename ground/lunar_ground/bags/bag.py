"""A recording: an MCAP file, a database, or a bag's folder of some of either."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from lunar_runtime.errors import InputError
from lunar_runtime.files.regular_file import open_stream

from lunar_ground.bags import mcap_file, sqlite_file
from lunar_ground.bags.records import Damage, Record, Topic

_SUFFIXES = (".mcap", ".db3")
_METADATA = "metadata.yaml"
_MOST_BYTES = 1 << 24
# Of zstd's data. Every message in CDR begins with a 0.
_ZSTD = b"\x28\xb5\x2f\xfd"
_LISTED = re.compile(r"^\s*-\s*[\"']?([^\s\"':]+\.(?:mcap|db3))[\"']?\s*$", re.MULTILINE)


class Bag:
    """A recording, read as often as one likes.

    Attributes:
        path: As given.
        files: In their order.
        damage: What is wrong with it, as far as it was read.

    Args:
        path: The file or folder.
        recover: Go on with what is whole of a damaged one; what is lost is in `damage`.

    Raises:
        InputError: It is no recording, or one that is compressed as a whole, or message by message.
    """

    def __init__(self, path: Path | str, *, recover: bool = False) -> None:
        self.path = Path(path)
        self.files = _files(self.path)
        self.damage = Damage(recover)
        self._recover = recover
        self._topics: dict[str, tuple[Topic, int]] | None = None

    def again(self) -> Bag:
        """The same, to be read beside this one."""
        other = Bag(self.path, recover=self._recover)
        other._topics = self._topics
        return other

    def topics(self) -> dict[str, tuple[Topic, int]]:
        """What there is: topic and number of messages by name. All of the recording is read, once.

        Raises:
            InputError: As `records`.
        """
        if self._topics is not None:
            return self._topics
        found: dict[str, tuple[Topic, int]] = {}
        for part in self._read(None):
            topic, more = (part.topic, 1) if isinstance(part, Record) else (part, 0)
            known, count = found.get(topic.name, (topic, 0))
            if known.kind != topic.kind:
                raise InputError(
                    f"{self.path}: {topic.name} is of {known.kind} and of {topic.kind}; which is "
                    "meant cannot be told"
                )
            found[topic.name] = known, count + more
        self._topics = found
        return found

    def records(self, topics: Collection[str]) -> Iterator[Record]:
        """The messages of some topics, as they were recorded.

        Raises:
            InputError: The recording is damaged, and nobody asked to recover the rest.
        """
        return (part for part in self._read(topics) if isinstance(part, Record))

    def _read(self, topics: Collection[str] | None) -> Iterator[Topic | Record]:
        self.damage = Damage(self._recover)
        for file in self.files:
            with file.open("rb") as stream:
                is_mcap = stream.read(len(mcap_file.MAGIC)) == mcap_file.MAGIC
            read = mcap_file.read_mcap if is_mcap else sqlite_file.read_sqlite
            for part in read(file, self.damage, topics):
                # A file without its metadata does not say that its messages are compressed.
                if isinstance(part, Record) and _is_compressed(part):
                    raise InputError(
                        f"{file}: its messages are compressed; `ros2 bag convert`, given the "
                        "folder with its metadata.yaml, writes them plainly"
                    )
                yield part


def _is_compressed(record: Record) -> bool:
    return record.topic.encoding == "cdr" and record.data.startswith(_ZSTD)


def _files(path: Path) -> list[Path]:
    try:
        if path.is_dir():
            return _of_folder(path)
        with open_stream(path, "a recording") as stream:
            head = stream.read(40)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file or folder; check the path") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if head.startswith(b"#ROSBAG"):
        raise InputError(f"{path}: is a bag of ROS 1; convert it with rosbags-convert")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: is a pointer of Git LFS; fetch the recording with git lfs pull")
    if head.startswith(_ZSTD):
        raise InputError(f"{path}: is compressed as a whole; decompress it with zstd -d")
    if not head.startswith((mcap_file.MAGIC, sqlite_file.MAGIC)):
        raise InputError(f"{path}: is neither MCAP nor a bag of ROS 2; check the path")
    return [path]


def _of_folder(folder: Path) -> list[Path]:
    there = {file.name: file for file in folder.iterdir() if file.suffix in _SUFFIXES}
    metadata = folder / _METADATA
    if metadata.is_file() and metadata.stat().st_size <= _MOST_BYTES:
        text = metadata.read_text(encoding="utf-8", errors="replace")
        mode = re.search(r"^\s*compression_mode:\s*[\"']?(\w+)", text, re.MULTILINE)
        if mode is not None and mode[1].lower() != "none":
            raise InputError(
                f"{folder}: its {mode[1].lower()}s are compressed; `ros2 bag convert` writes them "
                "plainly"
            )
        # Their order is that of the recording.
        listed = _LISTED.findall(text)
        names = list(dict.fromkeys(Path(name).name for name in listed))
        missing = [name for name in names if name not in there]
        if missing:
            raise InputError(f"{folder}: {missing[0]} is missing, which its metadata names")
        if names:
            return _of_folder_checked([there[name] for name in names])
    if not there:
        raise InputError(f"{folder}: no .mcap or .db3 file in it; check the path")
    # As ros2 bag numbers them: bag_2 before bag_10.
    return _of_folder_checked(sorted(there.values(), key=_numbered))


def _of_folder_checked(files: list[Path]) -> list[Path]:
    return [checked for file in files for checked in _files(file)]


def _numbered(file: Path) -> tuple[str, int]:
    match = re.search(r"_(\d+)$", file.stem)
    return (file.stem, 0) if match is None else (file.stem[: match.start()], int(match[1]))
