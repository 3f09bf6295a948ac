"""What an engine is made of: its layers with their precision, and its tensors.

Read from the inspector's one-line format, which the builder also logs when an engine is finished.
TensorRT fuses and may keep a layer in another precision than the graph's name suggests; whether an
engine marked INT8 multiplies in INT8 is read here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

# As TensorRT 10 and 11 and TensorRT-RTX spell data types, in `Datatype: Half` or at the end of
# `Format/Datatype: Row major linear FP16 format`.
_PRECISIONS = {
    "FLOAT": "fp32",
    "FP32": "fp32",
    "HALF": "fp16",
    "FP16": "fp16",
    "BF16": "bf16",
    "BFLOAT16": "bf16",
    "INT8": "int8",
    "UINT8": "uint8",
    "FP8": "fp8",
    "INT4": "int4",
    "FP4": "fp4",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
_LAYER = re.compile(r"^\s*Name: (?P<name>.*?), LayerType: (?P<kind>[^,]+), Inputs: \[(?P<rest>.*)$")
_TENSOR = re.compile(
    r"^\s*Name: (?P<name>.*?), IOMode: (?P<mode>\w+), DataType: (?P<type>\w+), "
    r"Dimensions: \[(?P<shape>[\d,]*)\], Location: (?P<location>\w+)"
)
_DATATYPE = re.compile(r"(?:Format/Datatype|Datatype): ([^,}\]]+)")
_SECTIONS = re.compile(r"\](?:, Constants: \[(?P<constants>.*?)\])?, Outputs: \[")
_MULTIPLIES = re.compile(
    r"gemm|correlation|conv|matrix_?multiply|fully_?connected|mha|attention", re.IGNORECASE
)

# `__myl_FcAddMulErf`, `__myl_CorrAddRelu`: a fusion is named by what it begins with.
_FUSED_MULTIPLIES = re.compile(r"Fc|Corr|Conv|Gemm|MatMul|Bmm|Mha")


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kernel of an engine.

    Attributes:
        name: Of the graph's nodes in it.
        kind: TensorRT's, `gemm`, `correlation`, `kgen`, `CaskConvolution`.
        precision: Of what it reads: `fp32`, `fp16`, `int8`; several joined by `+`.
    """

    name: str
    kind: str
    precision: str

    @property
    def multiplies(self) -> bool:
        """It is a matrix product or a convolution: where the arithmetic is."""
        fused = "fusion" in self.kind and _FUSED_MULTIPLIES.search(self.name)
        return bool(fused or _MULTIPLIES.search(self.kind))


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output.

    Attributes:
        name: As in the graph.
        mode: `input` or `output`.
        dtype: NumPy's name of it.
        shape: Static.
        location: `device`, or `host` for shapes, which our graphs do not have.
    """

    name: str
    mode: str
    dtype: str
    shape: tuple[int, ...]
    location: str = "device"


class EngineDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An engine's layers and tensors.

    Attributes:
        layers: What it computes, in order.
        tensors: Its inputs and outputs.
    """

    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]

    def precisions(self) -> dict[str, int]:
        """How many matrix products and convolutions there are in each precision."""
        return dict(Counter(layer.precision for layer in self.layers if layer.multiplies))


_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "BF16": "bfloat16",
}


def parse_description(text: str) -> EngineDescription:
    """Read the inspector's one-line format.

    Args:
        text: `Layers:` and a line per layer; then, from TensorRT 10.7 on, `I/O Tensors:` and a line
            per tensor.

    Returns:
        The description; empty where the text holds nothing, as for an engine without profiling
        verbosity.
    """
    layers = []
    tensors = []
    for line in text.splitlines():
        if found := _TENSOR.match(line):
            tensors.append(_tensor(found))
        elif found := _LAYER.match(line):
            layers.append(Layer(found["name"], found["kind"].strip(), _precision(found["rest"])))
    return EngineDescription(tuple(layers), tuple(tensors))


def _tensor(found: re.Match[str]) -> Tensor:
    return Tensor(
        name=found["name"],
        mode=found["mode"].lower(),
        dtype=_DTYPES.get(found["type"].upper(), found["type"].lower()),
        shape=tuple(int(side) for side in found["shape"].split(",") if side),
        location=found["location"].lower(),
    )


def _precision(rest: str) -> str:
    """Of the inputs; of the constants where a layer reads nothing else."""
    sections = _SECTIONS.search(rest)
    inputs = rest[: sections.start()] if sections else rest
    constants = (sections["constants"] or "") if sections else ""
    found = _data_types(inputs) or _data_types(constants)
    return "+".join(found) or "none"


def _data_types(text: str) -> Sequence[str]:
    found = set()
    for spelled in _DATATYPE.findall(text):
        words = re.findall(r"\w+", spelled.upper())
        found |= {_PRECISIONS[word] for word in words if word in _PRECISIONS}
    return sorted(found)
