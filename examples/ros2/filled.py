"""Mappings of fields to ROS 2's own messages."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

#: What array.array calls the types of ROS' sequences.
_CODES = {"u1": "B", "i1": "b", "u2": "H", "i2": "h", "u4": "I", "i4": "i", "f4": "f", "f8": "d"}


def filled(message: Any, fields: Mapping[str, Any], class_of: Callable[[str], Any]) -> Any:
    """Give a new message its fields.

    Args:
        message: Of ROS' own class.
        fields: By name; those of inner messages in mappings.
        class_of: A class by its type's name, as `rosidl_runtime_py.utilities.get_message`.
    """
    types = message.get_fields_and_field_types()
    for name, value in fields.items():
        told = types[name]
        if isinstance(value, Mapping):
            filled(getattr(message, name), value, class_of)
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            inner = told.removeprefix("sequence<").partition(">")[0].replace("/", "/msg/", 1)
            setattr(message, name, [filled(class_of(inner)(), each, class_of) for each in value])
        elif isinstance(value, np.ndarray) and told.startswith("sequence<"):
            sequence = array(_CODES[value.dtype.str[1:]])
            sequence.frombytes(np.ascontiguousarray(value).tobytes())  # not element by element
            setattr(message, name, sequence)
        elif told == "octet":
            setattr(message, name, bytes([value]))
        else:
            setattr(message, name, value)
    return message
