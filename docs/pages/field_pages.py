"""The fields of a file format, from the structs that read and write it.

Every field has its meaning, unit and frame in its struct's docstring, section *Attributes*. That is
where they are kept; this makes a page of them.
"""

from __future__ import annotations

import html
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import msgspec

Struct = type[msgspec.Struct]

_WORDS = {
    "StrType": "text",
    "IntType": "integer",
    "FloatType": "number",
    "BoolType": "true or false",
    "NoneType": "null",
    "DateTimeType": "time (ISO 8601, UTC)",
    "AnyType": "anything",
    "RawType": "anything",
}


def load(name: str) -> Struct:
    """A struct by its dotted name, as in `lunar_runtime.report.report.Report`."""
    module, _, struct = name.rpartition(".")
    found: Struct = getattr(import_module(module), struct)
    return found


def fields_section(struct: Struct, level: int = 2) -> str:
    """A struct's fields, and after them those of every struct inside it.

    Args:
        struct: Of a whole file.
        level: Of the headings.

    Returns:
        Markdown, one heading a struct.
    """
    return "\n".join("\n".join(_section(inner, level)) for inner in structs_in(struct))


def structs_in(struct: Struct) -> list[Struct]:
    """A struct and all that are inside it, in the order in which they are met."""
    met: list[Struct] = []
    waiting = [struct]
    while waiting:
        current = waiting.pop(0)
        if current not in met:
            met.append(current)
            for field in msgspec.inspect.type_info(current).fields:  # type: ignore[attr-defined]
                waiting += _inner(field.type)
    return met


def described(struct: Struct) -> dict[str, str]:
    """What a struct's docstring says of each field; one that it leaves out is absent."""
    meanings: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if issubclass(owner, msgspec.Struct) and owner is not msgspec.Struct:
            meanings |= _attributes(inspect.getdoc(owner) or "")
    return {name: text for name, text in meanings.items() if name in struct.__struct_fields__}


def _attributes(doc: str) -> dict[str, str]:
    """The section *Attributes* of a Google docstring."""
    _, _, section = doc.partition("Attributes:\n")
    meanings: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", textwrap.dedent(section.partition("\n\n")[0])):
        name, colon, text = entry.partition(":")
        if colon and re.fullmatch(r"\w+", name.strip()):
            meanings[name.strip()] = " ".join(text.split())
    return meanings


def _section(struct: Struct, level: int) -> Iterator[str]:
    doc = inspect.getdoc(struct) or ""
    yield f"{'#' * level} {_title(struct)}"
    yield ""
    yield doc.partition("Attributes:")[0].strip()
    yield ""
    meanings = described(struct)
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        optional = "" if field.required else ", optional"
        yield f"`{field.encode_name}`"
        yield f":   *{_type_words(field.type)}{optional}.* {meanings.get(field.name, '')}"
        yield ""


def _title(struct: Struct) -> str:
    """`CameraReport` -> `Camera report`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", struct.__name__.lstrip("_"))
    return words[0] + words[1:].lower()


def _type_words(kind: Any) -> str:
    """A type in words; other structs by the title of their section, linked."""
    name = type(kind).__name__
    if name == "StructType":
        title = _title(kind.cls)
        return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
    if name == "UnionType":
        return " or ".join(dict.fromkeys(_type_words(inner) for inner in kind.types))
    if name in ("LiteralType", "EnumType"):
        values = kind.values if name == "LiteralType" else [m.value for m in kind.cls]
        return " or ".join(f"`{html.escape(str(value))}`" for value in values)
    if name in ("ListType", "VarTupleType", "SetType", "FrozenSetType"):
        return f"list of {_type_words(kind.item_type)}"
    if name == "TupleType":
        inner = list(dict.fromkeys(_type_words(item) for item in kind.item_types))
        return f"{len(kind.item_types)} × {' or '.join(inner)}"
    if name == "DictType":
        return f"names with {_type_words(kind.value_type)}"
    return _WORDS[name]


def _inner(kind: Any) -> list[Struct]:
    """The structs that a type mentions."""
    name = type(kind).__name__
    if name == "StructType":
        return [kind.cls]
    parts = [
        *getattr(kind, "types", ()),
        *getattr(kind, "item_types", ()),
        *(getattr(kind, part) for part in ("item_type", "value_type") if hasattr(kind, part)),
    ]
    return [struct for part in parts for struct in _inner(part)]
