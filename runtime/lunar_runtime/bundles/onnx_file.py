"""What an ONNX file holds, read from its bytes before any library sees them.

Only what a manifest can be held to: inputs, outputs, operators, and the weights' names, types and
shapes. Where weights are in a second file, its name and their place in it.

A library that is given a file with references to others follows them. So everything that can refer
to a file is looked at, in subgraphs, attributes and functions too.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from lunar_runtime.bundles.protobuf import Content, fields, number, numbers, text, view

#: Of ONNX's TensorProto.DataType -> NumPy's name.
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip

_DEEPEST = 8  # subgraphs in subgraphs
_MOST_NODES = 200_000  # the teacher's graph has 5000
_EXTERNAL = 1
_REFERS = (5, 6, 10, 11, 22, 23)  # attributes that hold tensors or graphs
# An execution provider opens the file that an EPContext node names.
_OPENS_FILES = "EPContext"


class TensorType(NamedTuple):
    """Of an input or output: NumPy's name of its type, and its shape; -1 = not static."""

    dtype: str
    shape: tuple[int, ...]


class Place(NamedTuple):
    """Where a weight is in another file."""

    file: str
    offset: int
    bytes: int | None


class Weight(NamedTuple):
    """A weight of the graph.

    Attributes:
        name: As in the graph.
        dtype: NumPy's name of its type.
        shape: Of its values.
        place: Where they are in another file; None where they are in the file itself.
        values: Their bytes in the file itself; None where they are elsewhere, or written as a list
            of numbers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    place: Place | None
    values: Content | None = None


@dataclass
class OnnxFile:
    """What an ONNX file holds.

    Attributes:
        opsets: Domain -> version; the default domain is "".
        inputs: Name -> type, of those that are no weights.
        outputs: The same.
        weights: Of the outermost graph.
        operators: How often each is there, at any depth.
        values: Type of a tensor -> how many values of it are in the file, at any depth.
        nodes: How many nodes, at any depth.
    """

    opsets: dict[str, int] = field(default_factory=dict)
    inputs: dict[str, TensorType] = field(default_factory=dict)
    outputs: dict[str, TensorType] = field(default_factory=dict)
    weights: list[Weight] = field(default_factory=list)
    operators: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    nodes: int = 0


def read_onnx(content: Content) -> OnnxFile:
    """Read an ONNX file.

    Raises:
        ValueError: It is none, or refers to other files by other means than weights of its
            outermost graph.
    """
    found = OnnxFile()
    graphs = 0
    for key, value in fields(memoryview(content), (7, 8, 20, 25)):
        if key == 7:
            graphs += 1
            if graphs > 1:
                raise ValueError("it holds two graphs, which parsers would merge")
            _read_graph(view(value), found, 0)
        elif key == 8:
            domain, version = "", 0
            for inner, part in fields(view(value), (1, 2)):
                if inner == 1:
                    domain = text(part)
                elif inner == 2:
                    version = number(part)
            found.opsets["" if domain == "ai.onnx" else domain] = version
        elif key == 20:
            raise ValueError("it holds graphs for training")
        else:
            for _, part in fields(view(value), (7,)):
                _read_node(view(part), found, 1)
    if not graphs:
        raise ValueError("it holds no graph")
    return found


def _read_graph(content: Content, found: OnnxFile, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("graphs are nested too deep")
    inputs: dict[str, TensorType] = {}
    for key, value in fields(content, (1, 5, 11, 12, 15)):
        if key == 1:
            _read_node(view(value), found, depth)
        elif key == 5:
            weight = _read_tensor(view(value), found)
            if depth == 0:
                found.weights.append(weight)
            else:
                _refuse_place(weight)
        elif key == 15:
            _read_sparse(view(value), found)
        elif depth == 0 and key in (11, 12):
            name, kind = _read_value(view(value))
            (inputs if key == 11 else found.outputs)[name] = kind
    if depth == 0:
        weights = {weight.name for weight in found.weights}
        if len(weights) != len(found.weights):
            raise ValueError("two weights have one name")
        found.inputs = {name: kind for name, kind in inputs.items() if name not in weights}


def _read_node(content: Content, found: OnnxFile, depth: int) -> None:
    found.nodes += 1
    if found.nodes > _MOST_NODES:
        raise ValueError("it has too many nodes")
    for key, value in fields(content, (4, 5)):
        if key == 4:
            operator = text(value)
            if operator == _OPENS_FILES:
                raise ValueError(f"its operator {_OPENS_FILES} opens files")
            found.operators[operator] += 1
        else:
            _read_attribute(view(value), found, depth)


def _read_attribute(content: Content, found: OnnxFile, depth: int) -> None:
    for key, value in fields(content, _REFERS):
        if key in (5, 10):
            _refuse_place(_read_tensor(view(value), found))
        elif key in (6, 11):
            _read_graph(view(value), found, depth + 1)
        else:
            _read_sparse(view(value), found)


def _read_sparse(content: Content, found: OnnxFile) -> None:
    for _, value in fields(content, (1, 2)):
        _refuse_place(_read_tensor(view(value), found))


def _read_tensor(content: Content, found: OnnxFile) -> Weight:
    name, shape, kind = "", list[int](), 0
    external, places = False, dict[str, str]()
    values: Content | None = None
    for key, value in fields(content, (1, 2, 8, 9, 13, 14)):
        if key == 1:
            shape += numbers(value)
        elif key == 2:
            kind = number(value)
        elif key == 8:
            name = text(value)
        elif key == 9:
            values = view(value)
        elif key == 13:
            external = True
            parts = {inner: text(part) for inner, part in fields(view(value), (1, 2))}
            if parts.get(1, "") in places:
                raise ValueError(f"the weight {name} is in two places")
            places[parts.get(1, "")] = parts.get(2, "")
        else:
            external = external or number(value) == _EXTERNAL
    if any(size < 0 for size in shape):
        raise ValueError(f"the weight {name} has a negative size")
    dtype = DTYPES.get(kind, f"type {kind}")
    found.values[dtype] += math.prod(shape)
    if external:
        return Weight(name, dtype, tuple(shape), _place(places))
    return Weight(name, dtype, tuple(shape), None, values)


def _place(parts: dict[str, str]) -> Place:
    offset, length = parts.get("offset", "0"), parts.get("length")
    for value in (offset, length or "0"):
        if not (value.isascii() and value.isdecimal() and len(value) < 20):
            raise ValueError("a weight's place in another file is no number")
    return Place(parts.get("location", ""), int(offset), None if length is None else int(length))


def _refuse_place(weight: Weight) -> None:
    if weight.place is not None:
        raise ValueError(f"a tensor inside a node is in another file, {weight.place.file!r}")


def _read_value(content: Content) -> tuple[str, TensorType]:
    """A ValueInfoProto whose type is a tensor's."""
    name, kind, shape = "", 0, list[int]()
    for key, value in fields(content, (1, 2)):
        if key == 1:
            name = text(value)
        else:
            for _, tensor in fields(view(value), (1,)):
                for inner, part in fields(view(tensor), (1, 2)):
                    if inner == 1:
                        kind = number(part)
                    else:
                        shape += [_size(view(size)) for _, size in fields(view(part), (1,))]
    return name, TensorType(DTYPES.get(kind, f"type {kind}"), tuple(shape))


def _size(dimension: Content) -> int:
    for _, value in fields(dimension, (1,)):
        return number(value)
    return -1
