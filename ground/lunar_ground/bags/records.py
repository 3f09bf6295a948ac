"""Messages of a recording as they were stored, and what is wrong with the recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lunar_runtime.errors import InputError


class Topic(NamedTuple):
    """What is said under one name.

    Attributes:
        name: As in `/camera/left/image_raw`.
        kind: Its messages' type, as in `sensor_msgs/msg/Image`.
        encoding: Of the messages: `cdr` is ROS 2's.
    """

    name: str
    kind: str
    encoding: str


def topic_of(name: str, kind: str, encoding: str) -> Topic:
    """A topic as a file tells it.

    ROS 1, ROS 2 of 2019 and some writers since then say `sensor_msgs/Image`: that is
    `sensor_msgs/msg/Image` here.
    """
    package, slash, rest = kind.partition("/")
    short = slash and "/" not in rest
    return Topic(name, f"{package}/msg/{rest}" if short else kind, encoding)


class Record(NamedTuple):
    """One message.

    Attributes:
        topic: What it is said under.
        time_ns: When it was recorded.
        data: Its bytes.
    """

    topic: Topic
    time_ns: int
    data: bytes


@dataclass
class Damage:
    """What is wrong with a recording.

    Attributes:
        recover: Whether to go on with what is whole.
        lost: In words, what is not.
        unchecked: Files, or parts of them, that bring no checksums.
    """

    recover: bool = False
    lost: list[str] = field(default_factory=list)
    unchecked: set[str] = field(default_factory=set)

    def found(self, path: Path, what: str) -> None:
        """Note it, or end here.

        Raises:
            InputError: Nobody asked to recover what is whole.
        """
        if not self.recover:
            raise InputError(f"{path}: {what}; set `recover` to take what is whole")
        self.lost.append(f"{path.name}: {what}")
