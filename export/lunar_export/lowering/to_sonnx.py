"""From the traced graph to one of the safety-related profile."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
from collections.abc import Mapping

import onnx
from onnx import defs, helper

from lunar_export.graph import weights
from lunar_export.graph.opset import default_opset
from lunar_export.graph.sonnx_set import DRAFT, EXECUTION_ORDER, OPERATOR_VERSIONS, PREFIX
from lunar_export.graph.suitability import check_graph
from lunar_export.graph.traced import Traced
from lunar_export.lowering.explicit import say_everything
from lunar_export.lowering.plain_operators import write_plainly

_log = logging.getLogger(__name__)

#: Beginning of a tensor's name -> what it is, with its dimensions.
_MEANINGS = {
    "left": "Left image. Dimensions: batch, channel (grey), row, column. Unit: grey level.",
    "right": "Right image. Dimensions: batch, channel (grey), row, column. Unit: grey level.",
    "pointmap": "Point of every pixel. Dimensions: batch, row, column, coordinate (x right, y "
    "down, z forward). Frame: left camera. Unit: one unknown length for all points.",
    "confidence": "Confidence of every point, 1 or more. Dimensions: batch, row, column. Unit: 1.",
    "descriptors": "Descriptor of every pixel, of unit length. Dimensions: batch, row, column, "
    "component. Unit: 1.",
    "descriptor_confidence": "Confidence of every descriptor. Dimensions: batch, row, column. "
    "Unit: 1.",
}


def to_sonnx(traced: Traced, said: Mapping[str, str]) -> Traced:
    """Rewrite a graph for the profile.

    Args:
        traced: A network's FP32 graph. It is not changed.
        said: What the graph is to say of its origin: name -> text.

    Returns:
        The graph in operators of the profile's set, with every attribute, type and shape said.

    Raises:
        BundleError: The graph holds what TensorRT could not read.
    """
    model = copy.deepcopy(traced.model)
    counts = write_plainly(model)
    say_everything(model)
    weights.merge_equal(model)
    _describe(model, said)
    check_graph(model)
    _log.info("written in the profile's operators: %s", counts)
    return dataclasses.replace(traced, model=model)


def operator_versions(model: onnx.ModelProto) -> dict[str, int]:
    """Operator -> the opset that brought the version in use, in alphabetical order."""
    opset = default_opset(model)
    kinds = sorted({node.op_type for node in model.graph.node})
    return {kind: int(defs.get_schema(kind, opset).since_version) for kind in kinds}


def _describe(model: onnx.ModelProto, said: Mapping[str, str]) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = _MEANINGS[value.name.removesuffix("_left").removesuffix("_right")]
    texts = {
        f"{PREFIX}profile": DRAFT,
        OPERATOR_VERSIONS: json.dumps(operator_versions(model)),
        EXECUTION_ORDER: "the order of the file's nodes",
        **{f"{PREFIX}{name}": text for name, text in said.items()},
    }
    helper.set_model_props(model, dict(sorted(texts.items())))
