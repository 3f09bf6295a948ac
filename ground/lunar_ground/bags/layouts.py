"""Layouts of ROS 2's messages: bytes to fields and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from lunar_ground.bags.records import Record

#: Fields of a message by name, those of inner messages in mappings of their own.
Fields = Mapping[str, Any]


# Of the package grid_map_msgs, 2.0: no part of a ROS installation, but of what shows elevations.
_GRID_MAPS = {
    "grid_map_msgs/msg/GridMapInfo": """
        float64 resolution
        float64 length_x
        float64 length_y
        geometry_msgs/Pose pose
    """,
    "grid_map_msgs/msg/GridMap": """
        std_msgs/Header header
        grid_map_msgs/GridMapInfo info
        string[] layers
        string[] basic_layers
        std_msgs/Float32MultiArray[] data
        uint16 outer_start_index
        uint16 inner_start_index
    """,
}


@cache
def store() -> Any:
    """The types of ROS 2 Humble; those that are read and written here are the same since."""
    types = get_typestore(Stores.ROS2_HUMBLE)
    for kind, text in _GRID_MAPS.items():
        types.register(get_types_from_msg(text, kind))
    return types


def decoded(record: Record) -> Any:
    """A message, its fields as attributes.

    Raises:
        InputError: It is of an unknown type, in another encoding, or damaged.
    """
    topic = record.topic
    if topic.encoding != "cdr":
        raise InputError(f"{topic.name}: is encoded as {topic.encoding!r}; only CDR is read")
    try:
        return store().deserialize_cdr(record.data, topic.kind)
    except KeyError as error:
        raise InputError(f"{topic.name}: its type {topic.kind} is not known") from error
    except Exception as error:  # rosbags raises whatever its generated code meets
        raise InputError(
            f"{topic.name}: a message at {record.time_ns} ns is damaged ({type(error).__name__})"
        ) from error


def encoded(kind: str, fields: Fields) -> bytes:
    """A message's bytes.

    Args:
        kind: Its type, as in `sensor_msgs/msg/Image`.
        fields: All of them.
    """
    return bytes(store().serialize_cdr(_built(kind, fields), kind))


def definition(kind: str) -> str:
    """A type in the language of `.msg` files, with those that it is made of."""
    text, _ = store().generate_msgdef(kind, ros_version=2)
    return str(text)


def _built(kind: str, fields: Fields) -> Any:
    """An object of rosbags' class of this type; it must have every field and no other."""
    values = {}
    described = dict(store().fielddefs[kind][1])
    if set(described) != set(fields):
        odd = sorted(set(described) ^ set(fields))
        raise KeyError(f"{kind}: {', '.join(odd)}")
    for name, (form, what) in described.items():
        values[name] = _value(int(form), what, fields[name])
    return store().types[kind](**values)


def _value(form: int, what: Any, value: Any) -> Any:
    base, name, *_ = (form, what, None)
    if base == 1:  # one number, text or truth
        return value
    if base == 2:  # one message
        return _built(name, value)
    (inner_form, inner), _ = what  # an array or a sequence
    if int(inner_form) == 2:
        return [_built(inner, item) for item in value]
    scalar = inner[0] if isinstance(inner, tuple) else inner
    if scalar == "string":
        return list(value)
    return np.asarray(value, dtype={"bool": "bool", "byte": "u1", "char": "u1"}.get(scalar, scalar))
