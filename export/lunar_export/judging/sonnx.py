"""Whether a model is one of the safety-related profile: requirement by requirement.

The numbers are the draft's. It uses REQ-GR-000 and REQ-OP-030 for more than one requirement, so
that the name says which is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import onnx
from lunar_runtime.errors import GateError

from lunar_export.graph import sonnx_set
from lunar_export.judging import sonnx_graph as graph

#: What a model can do about a requirement: it must meet it; the draft leaves it open or has not
#: decided it; nothing, because the requirement is about the profile's own documents and tools.
Weight = Literal["required", "open", "profile"]
_Find = Callable[[onnx.ModelProto], Iterator[str]]
_SHOWN = 3  # places; the rest is counted


@dataclass(frozen=True)
class Requirement:
    """One of the draft's requirements.

    Attributes:
        id: As in `REQ-OP-000`.
        name: What it is about.
        weight: What a model can do about it.
        find: Gives the places where a model does not meet it; None where no model can be asked.
    """

    id: str
    name: str
    weight: Weight
    find: _Find | None = None


@dataclass(frozen=True)
class Finding:
    """What was found of one requirement.

    Attributes:
        id: Of the requirement.
        name: What it is about.
        required: Whether a model that does not meet it is not of the profile.
        met: None where a model cannot be asked.
        places: How many places do not meet it.
        detail: The first of them, in words; empty where there are none.
    """

    id: str
    name: str
    required: bool
    met: bool | None
    places: int
    detail: str


def _without(*keys: str) -> _Find:
    def find(model: onnx.ModelProto) -> Iterator[str]:
        said = graph.metadata(model)
        yield from (f"the metadata has no {key}" for key in keys if not said.get(key))

    return find


def _unproven_domains(model: onnx.ModelProto) -> Iterator[str]:
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        divided = node.op_type == "Div" and node.input[1] not in constants
        if divided or node.op_type in ("Log", "Sqrt"):
            yield f"{node.name} ({node.op_type}): its input's range is not proven"


def _unproven_times(model: onnx.ModelProto) -> Iterator[str]:
    yield "a file cannot show it; lunar-bench run measures it on the target"


#: In the draft's order of chapters.
REQUIREMENTS = (
    Requirement("REQ-OP-000", "operators of the set", "required", graph.operators_outside),
    Requirement(
        "REQ-OP-010", "operators that are functions", "required", graph.other_than_functions
    ),
    Requirement("REQ-OP-020", "inference alone", "required", graph.training_parts),
    Requirement("REQ-OP-022", "stability of operators", "open"),
    Requirement("REQ-OP-023", "memory that no value decides", "open", graph.unsaid_types),
    Requirement("REQ-OP-024", "time that no value decides", "open", _unproven_times),
    Requirement("REQ-OP-030", "operators as ONNX has them", "required", graph.not_onnx),
    Requirement("REQ-OP-040", "inputs within their domain", "open", _unproven_domains),
    Requirement("REQ-OP-050", "overflow and underflow told", "profile"),
    Requirement(
        "REQ-OP-060", "restrictions of operators", "required", graph.restricted_convolutions
    ),
    Requirement("REQ-OP-070", "no default value", "required", graph.defaults),
    Requirement("REQ-GR-000", "graph that can be executed", "required", graph.broken_structure),
    Requirement("REQ-GR-000", "explicit types and shapes", "required", graph.unsaid_types),
    Requirement("REQ-GR-000", "no shape conversion by spreading", "open", graph.spread_inputs),
    Requirement("REQ-FO-000", "a correct ONNX model", "required", graph.not_onnx),
    Requirement("REQ-FO-010", "complete in itself", "required", graph.inexact_parameters),
    Requirement("REQ-FO-012", "trace to the trained model", "open", _without(sonnx_set.CHECKPOINT)),
    Requirement("REQ-FO-013", "trace to the training", "open", _without(sonnx_set.TRAINING)),
    Requirement("REQ-FO-020", "versions of operators", "required", graph.unclear_versions),
    Requirement("REQ-FO-030", "parameters to the last bit", "required", graph.inexact_parameters),
    Requirement("REQ-FO-040", "inputs and outputs described", "required", graph.undescribed),
    Requirement(
        "REQ-FO-050",
        "order and target said",
        "required",
        _without(sonnx_set.EXECUTION_ORDER, sonnx_set.TARGET),
    ),
    Requirement("REQ-DO-010 to -060", "documentation of the profile", "profile"),
    Requirement("REQ-FS-000, -010", "formal specification of the profile", "profile"),
    Requirement("REQ-RI-000, -010", "reference implementation of the profile", "profile"),
    Requirement("REQ-TO-000", "verification tool of the profile", "profile"),
)


def check_sonnx(model: onnx.ModelProto) -> list[Finding]:
    """Hold a model to every requirement.

    Args:
        model: With its weights in memory.
    """
    return [_finding(requirement, model) for requirement in REQUIREMENTS]


def require_sonnx(model: onnx.ModelProto) -> None:
    """Refuse a model that does not meet what is required.

    Raises:
        GateError: With every required requirement that is not met.
    """
    broken = [f for f in check_sonnx(model) if f.required and not f.met]
    if broken:
        reasons = "; ".join(f"{f.id} ({f.name}): {f.detail}" for f in broken)
        raise GateError(
            f"the graph is not of the profile: {reasons}; nothing was written. Leave `profile` "
            "out, or use the versions of torch, onnx and onnxsim that constraints.txt names"
        )


def _finding(requirement: Requirement, model: onnx.ModelProto) -> Finding:
    required = requirement.weight == "required"
    if requirement.find is None:
        return Finding(requirement.id, requirement.name, required, None, 0, "")
    found = list(requirement.find(model))
    detail = "; ".join(islice(found, _SHOWN))
    if len(found) > _SHOWN:
        detail += f"; and {len(found) - _SHOWN} more"
    return Finding(requirement.id, requirement.name, required, not found, len(found), detail)
